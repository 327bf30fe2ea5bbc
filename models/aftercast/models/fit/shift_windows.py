"""Watched: what came of forecasts between a training and a test cutoff, for a backtest that corrects as life does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aftercast.features.labels import Outcome
from aftercast.models.aliases import Floats
from aftercast.models.examples.cases import Cases, usual_horizon
from aftercast.models.fit.base_rate_shift import Shift, known_starts, shift_of
from aftercast.models.hazard import HazardModel
from aftercast.models.hazard.calibration import moved


@dataclass(frozen=True)
class Watched:
    """Rows at the starts of windows, and which windows a test cutoff looks back on.

    Attributes
    ----------
    cases
        Everything at risk at any start that a training may see.
    starts
        Test cutoff -> starts of its windows, microseconds; a cutoff without any is not in it.
    """

    cases: Cases
    starts: Mapping[int, list[int]]
    outcome: Outcome

    def shifts(self, model: HazardModel, cutoffs: Iterable[int]) -> dict[int, Shift]:
        """Shift of a model at each of the cutoffs that look back on windows, from what was known then."""
        window = usual_horizon(model.horizons_us)
        forecast = model.predict(self.cases.features).within(window)[0]
        found = {}
        for cutoff in cutoffs:
            starts = self.starts.get(cutoff, [])
            rows = np.isin(self.cases.examples.cutoff_us, starts)
            if rows.any():
                moment = moment_of(cutoff)
                labels = self.cases.take(rows).labels(self.outcome.known_at(moment), moment)
                found[cutoff] = shift_of(forecast[rows], labels, window, len(starts))
        return found


def corrected(
    shifts: Mapping[int, Shift], model: HazardModel, test: Cases, horizon_us: int, plain: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Probabilities and thresholds of test rows with the model as shifted at their cutoff, both shape (n, C + 1).

    Parameters
    ----------
    plain
        Probabilities, shape (n, C + 1), and thresholds, shape (C + 1,), of the model itself.
    """
    values, thresholds = plain[0].copy(), np.tile(plain[1], (len(plain[0]), 1))
    for cutoff, shift in shifts.items():
        rows = test.examples.cutoff_us == cutoff
        if rows.any():
            risks = shift.apply(model).predict(test.features[rows])
            values[rows] = np.column_stack(risks.within(horizon_us))
            thresholds[rows] = moved(thresholds[rows], np.append(*shift.log_odds))
    return values, thresholds


def window_starts_of(
    kind: str, outcome: Outcome, trainings: Iterable[tuple[pd.Timestamp, list[int]]], window_us: int
) -> dict[int, list[int]]:
    """Test cutoff -> starts of its windows, for trainings and the test cutoffs of each."""
    found = {
        cutoff: known_starts(kind, outcome.known_at(moment_of(cutoff)), trained_until, moment_of(cutoff), window_us)
        for trained_until, cutoffs in trainings
        for cutoff in cutoffs
    }
    return {cutoff: starts for cutoff, starts in found.items() if starts}


def moment_of(cutoff_us: int) -> pd.Timestamp:
    """Instant of a cutoff, UTC."""
    return pd.Timestamp(int(cutoff_us), unit="us", tz="UTC")
