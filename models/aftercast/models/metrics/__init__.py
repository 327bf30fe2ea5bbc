"""Metrics of rows, of failures, under budgets and at rates of false visits. Undefined is None, never 0."""

from aftercast.models.metrics.budgets import BUDGETS, budget_draws, budget_metrics
from aftercast.models.metrics.table import (
    FOUND,
    METRICS,
    Metric,
    alarm_draws,
    alarm_metrics,
    ranked_metrics,
    row_draws,
    row_metrics,
    shown_metrics,
    table_of,
    title,
)
from aftercast.models.metrics.visit_rates import visit_rate_metrics

__all__ = [
    "BUDGETS",
    "FOUND",
    "METRICS",
    "Metric",
    "alarm_draws",
    "alarm_metrics",
    "budget_draws",
    "budget_metrics",
    "ranked_metrics",
    "row_draws",
    "row_metrics",
    "shown_metrics",
    "table_of",
    "title",
    "visit_rate_metrics",
]
