"""Bands: between which two probabilities the truth of a forecast lies, as far as a later period tells (Venn-Abers)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.isotonic import IsotonicRegression

from aftercast.models.aliases import Floats, Mask
from aftercast.models.hazard.calibration import moved

LEAST_ROWS: Final = 20


@dataclass(frozen=True)
class Band:
    """Lower and upper probability by forecast, both rising with it.

    Attributes
    ----------
    forecast
        Shape (m,), ascending from 0 to 1.
    low, high
        Shape (m,): an event share below ``low`` or above ``high`` does not fit the later period.
    """

    forecast: Floats
    low: Floats
    high: Floats

    def interval(self, probability: Floats) -> Floats:
        """Lower and upper end, shape (n, 2); between two forecasts of the band the wider ends hold. p lies inside."""
        below = np.searchsorted(self.forecast, probability, side="right") - 1
        above = np.minimum(np.searchsorted(self.forecast, probability, side="left"), len(self.forecast) - 1)
        low, high = self.low[np.maximum(below, 0)], self.high[above]
        return np.stack([np.minimum(low, probability), np.maximum(high, probability)], axis=-1)

    def shifted(self, log_odds: float) -> Band:
        """Band of forecasts whose log-odds were moved, its ends with them."""
        return Band(*(moved(values, log_odds) for values in (self.forecast, self.low, self.high)))


def fit_band(probability: Floats, event: Mask) -> Band | None:
    """Band of later forecasts and what became of them, shape (n,); None with fewer than 20 of them.

    Inductive Venn-Abers prediction (Vovk, Petej and Fedorova 2015): isotonic regression of the later rows with the
    forecast added once as a non-event and once as an event; one of the two values it gets is calibrated, whatever the
    distribution, if rows are exchangeable. So rows that tell of one event over and over must be thinned before. It is
    computed where the regression of the later rows has its steps; between them the wider ends hold.
    """
    if len(probability) < LEAST_ROWS:
        return None
    order = np.argsort(probability, kind="stable")
    p, y = probability[order], event[order].astype(np.float64)
    points = np.unique(np.concatenate(([0.0], _steps(p, y), [1.0])))
    ends = [[_value(p, y, point, added) for added in (0.0, 1.0)] for point in points]
    low, high = np.array(ends).T
    return Band(points, low, high)


def _steps(probability: Floats, event: Floats) -> Floats:
    """First and last forecast of each step of the isotonic regression."""
    fitted = IsotonicRegression().fit_transform(probability, event)
    new = np.flatnonzero(np.diff(fitted) > 0)
    return probability[np.concatenate(([0], new, new + 1, [len(probability) - 1]))]


def _value(probability: Floats, event: Floats, point: float, added: float) -> float:
    """What the regression of the rows and one more gives to that one."""
    at = int(np.searchsorted(probability, point))
    fitted = IsotonicRegression().fit_transform(np.insert(probability, at, point), np.insert(event, at, added))
    return float(fitted[at])
