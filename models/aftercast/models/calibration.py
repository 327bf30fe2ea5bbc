"""Calibration on a later period: a smooth monotone map that shrinks to the identity when data are few."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

Floats = npt.NDArray[np.float64]
EDGE: Final = 1e-9
MANY_EVENTS: Final = 200
PRIOR_SD: Final = (0.25, 0.5)  # how far slope and offset may stray from the identity before the data must insist


@dataclass(frozen=True)
class Calibrator:
    """Beta calibration ``logit(q) = a ln p - b ln(1 - p) + c`` (Kull, Silva Filho and Flach 2017); a, b >= 0.

    With ``a = b`` it is Platt scaling of the logit; with a = b = 1 and c = 0 the identity. It is never exactly 0 or 1.

    Examples
    --------
    >>> Calibrator().apply(np.array([0.2])).round(12).tolist()
    [0.2]
    """

    a: float = 1.0
    b: float = 1.0
    c: float = 0.0

    def apply(self, probability: Floats) -> Floats:
        """Calibrated probabilities, same shape, strictly inside (0, 1); NaN stays NaN."""
        low, high = _logs(probability)
        return np.clip(expit(self.a * low + self.b * high + self.c), EDGE, 1.0 - EDGE)

    def to_dict(self) -> dict[str, Any]:
        """Numbers of the map."""
        return asdict(self)


def fit_calibrator(probability: Floats, event: npt.NDArray[np.bool_], weight: Floats | None = None) -> Calibrator:
    """Calibrator of out-of-time probabilities, shape (n,).

    Maximum a posteriori with normal priors around the identity, so that few events change little. Below 200 events
    the two slopes are one (Platt); without any event, or with nothing but events, it is the identity.
    """
    events = int(event.sum())
    if events == 0 or events == len(event):
        return Calibrator()
    low, high = _logs(probability)
    weights = np.ones(len(event)) if weight is None else weight
    tied = events < MANY_EVENTS

    def loss(parameters: Floats) -> tuple[float, Floats]:
        a, b, c = (parameters[0], parameters[0], parameters[1]) if tied else parameters
        z = a * low + b * high + c
        slope, offset = PRIOR_SD
        pull = np.array([(a - 1) / slope**2, (b - 1) / slope**2, c / offset**2])
        value = float(weights @ (np.logaddexp(0.0, z) - event * z)) + _half_square(a, b, c)
        residual = weights * (expit(z) - event)
        gradient = np.array([residual @ low, residual @ high, residual.sum()]) + pull
        return value, np.array([gradient[0] + gradient[1], gradient[2]]) if tied else gradient

    start = [1.0, 0.0] if tied else [1.0, 1.0, 0.0]
    bounds = [(0.0, 10.0)] * (len(start) - 1) + [(-10.0, 10.0)]
    found = minimize(loss, np.array(start), jac=True, method="L-BFGS-B", bounds=bounds).x
    a, b, c = (found[0], found[0], found[1]) if tied else found
    return Calibrator(float(a), float(b), float(c))


def _half_square(a: float, b: float, c: float) -> float:
    slope, offset = PRIOR_SD
    return 0.5 * (((a - 1) / slope) ** 2 + ((b - 1) / slope) ** 2 + (c / offset) ** 2)


def _logs(probability: Floats) -> tuple[Floats, Floats]:
    p = np.clip(np.asarray(probability, dtype=np.float64), EDGE, 1.0 - EDGE)
    return np.log(p), -np.log1p(-p)
