"""Calibration on a later period: a smooth monotone map that shrinks to what is known beforehand when data are few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from aftercast.models.aliases import Floats, Mask

EDGE: Final = 1e-9


class Spread(NamedTuple):
    """How far slope and offset may stray before the data must insist: standard deviations of a normal prior."""

    slope: float
    offset: float


SHARED: Final = Spread(0.1, 0.2)  # of all components of an interval, around the identity
OF_ONE: Final = Spread(0.05, 0.1)  # of one component, around what all share


@dataclass(frozen=True)
class Calibrator:
    """Platt scaling of the log-odds: ``logit(q) = slope * logit(p) + offset`` (Platt 1999), slope >= 0.

    With slope 1 and offset 0 it is the identity. It is never exactly 0 or 1.

    Examples
    --------
    >>> Calibrator().apply(np.array([0.2])).round(12).tolist()
    [0.2]
    """

    slope: float = 1.0
    offset: float = 0.0

    def apply(self, probability: Floats) -> Floats:
        """Calibrated probabilities, same shape, strictly inside (0, 1); NaN stays NaN."""
        return np.clip(expit(self.slope * log_odds(probability) + self.offset), EDGE, 1.0 - EDGE)


IDENTITY: Final = Calibrator()


def fit_calibrator(
    probability: Floats,
    event: Mask,
    weight: Floats | None = None,
    *,
    around: Calibrator = IDENTITY,
    spread: Spread = SHARED,
) -> Calibrator:
    """Calibrator of out-of-time probabilities, shape (n,).

    Maximum a posteriori with a normal prior around a calibrator, so that few events change little. Without any event,
    or with nothing but events, it is that calibrator.

    Parameters
    ----------
    weight
        Weight of each row; rows that tell of one event over and over share its weight.
    """
    if event.all() or not event.any():
        return around
    odds = log_odds(probability)
    weights = np.ones(len(event)) if weight is None else weight

    def loss(parameters: Floats) -> tuple[float, Floats]:
        z = parameters[0] * odds + parameters[1]
        away = (parameters - (around.slope, around.offset)) / spread
        value = float(weights @ (np.logaddexp(0.0, z) - event * z)) + 0.5 * float(away @ away)
        residual = weights * (expit(z) - event)
        return value, np.array([residual @ odds, residual.sum()]) + away / spread

    start = np.array([around.slope, around.offset])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, 10.0), (-10.0, 10.0)]).x
    return Calibrator(float(found[0]), float(found[1]))


def moved(probability: Floats, by: float | Floats) -> Floats:
    """Probabilities with their log-odds moved; 0, 1 and NaN stay.

    >>> moved(np.array([0.5, 1.0]), float(np.log(3.0))).round(12).tolist()
    [0.75, 1.0]
    """
    return probability / (probability + (1.0 - probability) * np.exp(-np.asarray(by)))


def log_odds(probability: Floats, edge: float = EDGE) -> Floats:
    """Log-odds of probabilities; what is nearer to 0 or 1 than the edge counts as that far from it."""
    p = np.clip(np.asarray(probability, dtype=np.float64), edge, 1.0 - edge)
    return np.asarray(np.log(p) - np.log1p(-p))
