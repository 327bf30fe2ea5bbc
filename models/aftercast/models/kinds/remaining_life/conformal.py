"""Conformal widening of intervals per life stage, with units, not rows, as what is exchangeable."""

from __future__ import annotations

import math

import numpy as np

from aftercast.models.aliases import Floats, Ints


def misses(lower: Floats, upper: Floats, truth: Floats) -> Floats:
    """How far each truth lies outside its interval, in half widths; below 0 inside (Romano et al. 2019, scaled)."""
    half = np.maximum((upper - lower) / 2, 1e-3)
    return np.maximum(lower - truth, truth - upper) / half


def widening(miss: Floats, units: Ints, coverage: float) -> float:
    """Half widths to add at both ends so that a row of a new unit is covered.

    Rows of a unit share its weight of one, and the level is raised for the unit that is still to come: the pooled
    quantile of two-layer data (Dunn, Wasserman and Ramdas 2022). Infinite with too few units for the coverage.
    """
    if len(miss) == 0:
        return math.inf
    _, position, counts = np.unique(units, return_inverse=True, return_counts=True)
    level = coverage * (1 + 1 / len(counts))
    if level > 1:
        return math.inf
    order = np.argsort(miss, kind="stable")
    reached = np.cumsum(1.0 / counts[position][order]) / len(counts)
    return float(miss[order][min(int(np.searchsorted(reached, level - 1e-12)), len(order) - 1)])
