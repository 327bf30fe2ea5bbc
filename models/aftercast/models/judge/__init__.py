"""Judging forecasts: backtests, comparisons, slices, plots and reports."""
