"""Metrics: of rows (``rows``), and of failures under a daily budget (``failures``). Undefined is None, never 0."""

from aftercast.models.judge.metrics.budgets import BUDGETS, budget_metrics
from aftercast.models.judge.metrics.failures import failure_metrics
from aftercast.models.judge.metrics.rows import METRICS, POOLED_METRICS, Metric, expected_calibration_error, row_metrics
from aftercast.models.judge.metrics.visit_rates import visit_rate_metrics

__all__ = [
    "BUDGETS",
    "METRICS",
    "POOLED_METRICS",
    "Metric",
    "budget_metrics",
    "expected_calibration_error",
    "failure_metrics",
    "row_metrics",
    "visit_rate_metrics",
]
