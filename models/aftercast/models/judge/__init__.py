"""Judging forecasts: backtests, comparisons, slices, plots and reports."""

from aftercast.models.judge.backtest import backtest
from aftercast.models.judge.comparison import Comparison, compare
from aftercast.models.judge.forecasts import Forecasts, read_forecasts
from aftercast.models.judge.report import BacktestReport

__all__ = ["BacktestReport", "Comparison", "Forecasts", "backtest", "compare", "read_forecasts"]
