"""Thresholds: the probability from which a row is called failing, chosen inside the training time only."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from aftercast.models.aliases import Floats, Mask
from aftercast.models.hazard.calibration import log_odds

POINTS: Final = 2_001
FORECAST_WORTH: Final = 30.0  # the forecasts of the outcomes weigh as much as so many events seen
NEAREST: Final = 1e-12  # to 0 and 1
REACH: Final = 8.0  # scales after which the logistic kernel has nothing left


def best_f1_threshold(event: Mask, probability: Floats) -> float:
    """Threshold with the greatest smoothed F1 of ``probability >= threshold``; NaN without events.

    The F1 seen among few events jumps with each of them, and its greatest value often sits between two that chance put
    there. So an outcome counts ``events / (events + 30)`` as seen and the rest as forecast, which lets a single
    surprise move little, and each count is smoothed over the log-odds by a logistic kernel of scale
    ``4 / sqrt(events)``: where a gap parts the events from the rest the threshold lies inside the gap, and with many
    events it tends to the one with the greatest F1.

    Examples
    --------
    >>> best_f1_threshold(np.array([True, False]), np.array([0.5, 0.5]))
    0.5
    """
    if not event.any():
        return math.nan
    odds = log_odds(probability, NEAREST)
    low, high = float(odds.min()), float(odds.max())
    events = float(event.sum())
    outcome = (events * event + FORECAST_WORTH * probability) / (events + FORECAST_WORTH)
    scale = 4.0 / math.sqrt(events)
    count = min(POINTS, 1 + int((high - low) / scale * POINTS))  # a finer step than scale / POINTS tells nothing more
    if count == 1:
        return float(probability.min())
    points, step = np.linspace(low, high, count, retstep=True)
    hits, flagged = (_smooth_sum(odds, each, points, scale, float(step)) for each in (outcome, np.ones(len(odds))))
    best = int(np.argmax(2.0 * hits / (flagged + outcome.sum())))
    if best in (0, count - 1):  # to the bit, or rounding would decide whether the rows at the end are flagged
        return float(probability.min() if best == 0 else probability.max())
    return 1.0 / (1.0 + math.exp(-float(points[best])))


def _smooth_sum(odds: Floats, weight: Floats, points: Floats, scale: float, step: float) -> Floats:
    """Sum of the weights at or above each of the equally spaced points, smoothed by a logistic kernel."""
    reach = math.ceil(REACH * scale / step)
    wide = points[0] + step * np.arange(-reach, len(points) + reach)
    order = np.argsort(odds, kind="stable")
    below = np.append(0.0, np.cumsum(weight[order]))
    above = below[-1] - below[np.searchsorted(odds[order], wide, side="left")]
    kernel = 0.25 / np.cosh(0.5 * step * np.arange(-reach, reach + 1) / scale) ** 2
    return np.convolve(above, kernel / kernel.sum(), mode="valid")


def expected_f1_threshold(probability: Floats) -> float:
    """Threshold with the greatest F1 to be expected if the probabilities are true; NaN without rows.

    For a later period whose outcomes are not known yet: every label is replaced by its probability.

    Examples
    --------
    >>> round(expected_f1_threshold(np.array([0.9, 0.8, 0.01, 0.01])), 2)
    0.8
    """
    if len(probability) == 0:
        return math.nan
    sorted_p = np.sort(probability)[::-1]
    f1 = 2.0 * np.cumsum(sorted_p) / (np.arange(1, len(sorted_p) + 1) + sorted_p.sum())
    return float(sorted_p[int(np.argmax(f1))])
