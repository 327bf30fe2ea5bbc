"""Errors of predicted remaining life; an error is prediction less truth, so that a late prediction is positive."""

from __future__ import annotations

import numpy as np

from aftercast.models.aliases import Floats, Mask


def asymmetric_cost(error: Floats, early: float = 13.0, late: float = 10.0) -> Floats:
    """Cost of each error: exp(-error / early) - 1 below 0, exp(error / late) - 1 above (Saxena et al. 2008)."""
    return np.where(error < 0, np.expm1(-np.minimum(error, 0) / early), np.expm1(np.maximum(error, 0) / late))


def root_mean_square(error: Floats, weight: Floats | None = None) -> float:
    """Root of the weighted mean square."""
    return float(np.sqrt(np.average(error**2, weights=weight)))


def covered(lower: Floats, upper: Floats, truth: Floats, open_above: Mask) -> Mask:
    """Whether each truth lies in its interval, both ends included; an open interval has no upper end."""
    return (truth >= lower) & (open_above | (truth <= upper))
