"""What one model version says of the rows of a snapshot, as arrays: risks, intervals, thresholds and drivers.

Scoring keeps it beside the rows, so that an answer about a device is looked up and not computed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.models.aliases import Floats
from aftercast.models.hazard import HazardModel, Risks
from aftercast.models.hazard.drivers import strongest

MOST_DRIVERS: Final = 20
"""Drivers kept of each row."""


@dataclass(frozen=True)
class Judged:
    """Judgement of n rows.

    Attributes
    ----------
    risks
        Probabilities, shapes (n, H, C) and (n, H).
    ends
        Interval of the probability of any component, shape (n, H, 2); NaN where there is none.
    thresholds
        Probability of any component from which a row is called failing, shape (H,); NaN where none was learnt.
    driver
        Columns of the strongest drivers of each row, strongest first, shape (n, k); -1 where there are fewer.
    contribution
        Of the drivers to the log-odds, shape (n, k).
    """

    risks: Risks
    ends: Floats
    thresholds: Floats
    driver: npt.NDArray[np.int32]
    contribution: Floats

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays with one entry a row, by name."""
        risks = {name: getattr(self.risks, name) for name in ("probability", "any_probability")}
        return {**risks, "ends": self.ends, "driver": self.driver, "contribution": self.contribution}

    def take(self, rows: npt.NDArray[Any]) -> Judged:
        """Judgement of some rows, by their positions or by a mask."""
        return self._with(**{name: values[rows] for name, values in self.arrays.items()})

    def followed_by(self, other: Judged) -> Judged:
        """Judgement of these rows and then the other's, by the same model."""
        more = other.arrays
        return self._with(**{name: np.concatenate([values, more[name]]) for name, values in self.arrays.items()})

    def _with(self, probability: Floats, any_probability: Floats, **arrays: npt.NDArray[Any]) -> Judged:
        risks = replace(self.risks, probability=probability, any_probability=any_probability)
        return replace(self, risks=risks, **arrays)


def judge_rows(model: HazardModel, features: pd.DataFrame, top: int = MOST_DRIVERS) -> Judged:
    """Judge the rows of a feature frame, naming so many drivers of each.

    Raises
    ------
    ModelMismatchError
        If the columns are not those of training.
    """
    risks = model.predict(features)
    driver, contribution = strongest(model, features, top)
    return Judged(risks, model.intervals(risks), model.thresholds[:, -1].copy(), driver, contribution)
