"""Metrics at rates of false visits: how many failures are found when so many needless visits are accepted."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from aftercast.models.aliases import Floats, Mask
from aftercast.models.metrics.failures import Alarms, Rows
from aftercast.models.metrics.table import alarm_metrics

RATES: Final = {"0.1": 0.1, "0.5": 0.5, "1": 1.0}
"""False visits per device-month of 30 days."""


def visit_rate_metrics(rows: Rows, probability: Floats) -> dict[str, dict[str, Any]]:
    """Metrics of failures at the lowest threshold whose false visits stay within each rate.

    The threshold is looked for on the rows that are judged: the metrics say what the order of the forecasts allows, not
    what a threshold chosen before would have reached.

    Parameters
    ----------
    probability
        Shape (n,).

    Returns
    -------
    dict
        rate -> threshold (None where even the highest probability sends too many visits: nothing is flagged then), and
        the metrics of ``alarm_metrics``.
    """
    return {name: _at_rate(rows, probability, rate) for name, rate in RATES.items()}


def _at_rate(rows: Rows, probability: Floats, rate: float) -> dict[str, Any]:
    threshold = rate_threshold(rows, probability, rate)
    return {"threshold": threshold} | alarm_metrics(rows, at_least(probability, threshold))


def at_least(probability: Floats, threshold: float | None) -> Mask:
    """Rows at or above a threshold, shape (n,); none where there is no threshold."""
    return np.asarray(probability >= (np.inf if threshold is None else threshold))


def rate_threshold(rows: Rows, probability: Floats, rate: float) -> float | None:
    """Lowest probability whose false visits per device-month are at most the rate; None where there is none.

    Found by bisection over the distinct probabilities: lowering a threshold adds alarms, and alarms add visits.
    """
    values = np.unique(probability)[::-1]
    allowed = rate * rows.device_months
    low, high = 0, len(values)  # the first ``low`` values are within the rate, those from ``high`` on are not
    while low < high:
        middle = (low + high) // 2
        if false_visits(rows, probability >= values[middle]) <= allowed:
            low = middle + 1
        else:
            high = middle
    return float(values[low - 1]) if low > 0 else None


def false_visits(rows: Rows, flagged: Mask) -> int:
    """Visits whose watched horizon holds no failure."""
    return round(Alarms.certain(rows, flagged).false_visits.sum())
