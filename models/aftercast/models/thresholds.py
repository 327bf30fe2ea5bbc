"""Thresholds: the probability from which a row is called failing, chosen inside the training time only."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def best_f1_threshold(event: npt.NDArray[np.bool_], probability: npt.NDArray[np.float64]) -> float:
    """Threshold with the greatest F1 of ``probability >= threshold``; NaN without events.

    Where a range of thresholds shares the greatest F1, the one nearest to half of it is taken, because that is the best
    threshold of a calibrated probability (Lipton, Elkan and Narayanaswamy 2014, theorem 1), and so does not sit on a
    value that chance chose. Where half of it lies outside, the threshold is half-way through the range in log-odds.

    Examples
    --------
    >>> best_f1_threshold(np.array([True, False]), np.array([0.5, 0.5]))
    0.5
    """
    if not event.any():
        return math.nan
    order = np.argsort(-probability, kind="stable")
    sorted_p, hits = probability[order], np.cumsum(event[order])
    last = np.append(sorted_p[1:] < sorted_p[:-1], True)
    f1 = np.where(last, 2.0 * hits / (np.arange(1, len(order) + 1) + event.sum()), -1.0)
    at = int(np.argmax(f1))
    if at + 1 == len(order):
        return float(sorted_p[at])
    low, high, half = float(sorted_p[at + 1]), float(sorted_p[at]), 0.5 * float(f1[at])
    return half if low < half <= high else _between(low, high)


def expected_f1_threshold(probability: npt.NDArray[np.float64]) -> float:
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


def _between(low: float, high: float) -> float:
    """Point between two probabilities at equal distance in log-odds; a bound of 0 or 1 is taken as 1e-12 from it."""
    a, b = (min(max(p, 1e-12), 1.0 - 1e-12) for p in (low, high))
    middle = 0.5 * (math.log(a / (1 - a)) + math.log(b / (1 - b)))
    return min(max(1.0 / (1.0 + math.exp(-middle)), low), high)
