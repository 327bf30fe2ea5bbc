"""Judging forecasts: backtests, metrics, bootstrap intervals, comparisons and reports."""
