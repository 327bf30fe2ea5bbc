"""Curves of a forecast as plain numbers, which the report holds and its plots are drawn from."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from sklearn.metrics import precision_recall_curve

from aftercast.models.aliases import Floats, Mask
from aftercast.models.metrics.binning import bin_starts, equal_size
from aftercast.models.metrics.failures import Rows, lead_times

POINTS: Final = 100
BINS: Final = 10


def precision_recall(event: Mask, probability: Floats) -> list[dict[str, float]]:
    """At most about a hundred points of the precision-recall curve, by falling recall; none without events.

    A precision holds from its recall down to the next point's, as in average precision; the last point, at recall 0,
    repeats that of the highest probability.
    """
    if not event.any():
        return []
    precision, recall, _ = precision_recall_curve(event, probability)
    precision[-1] = precision[-2]
    wanted = np.interp(np.linspace(0, 1, POINTS), recall[::-1], np.arange(len(recall))[::-1].astype(np.float64))
    chosen = np.unique(np.append(wanted.round().astype(np.int64), [0, len(recall) - 1]))
    return [{"recall": float(recall[i]), "precision": float(precision[i])} for i in chosen]


def calibration(event: Mask, probability: Floats) -> list[dict[str, float]]:
    """Mean probability and share of events of ten bins of about equal numbers of rows; equal ones are never parted."""
    order = np.argsort(probability, kind="stable")
    p, y = probability[order], event[order]
    starts = bin_starts(p, equal_size(len(p), BINS))
    return [
        {"n": len(bin_p), "predicted": float(bin_p.mean()), "observed": float(bin_y.mean())}
        for bin_p, bin_y in zip(np.split(p, starts[1:]), np.split(y, starts[1:]), strict=True)
        if len(bin_p) > 0
    ]


def curves(rows: Rows, probability: Floats, flagged: Mask) -> dict[str, Any]:
    """Curves of n rows: precision_recall, calibration, and lead_time_hours of the failures found by the flags."""
    event, p = rows.event[rows.known], probability[rows.known]
    leads = lead_times(rows, flagged)
    return {
        "precision_recall": precision_recall(event, p),
        "calibration": calibration(event, p),
        "lead_time_hours": sorted(float(hours) for hours in leads[~np.isnan(leads)]),
    }
