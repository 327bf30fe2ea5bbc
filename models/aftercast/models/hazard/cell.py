"""One cell of the hazard model: the hazard of one component in one interval."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from aftercast.models.aliases import Floats
from aftercast.models.hazard.calibration import Calibrator, moved
from aftercast.models.hazard.schema import Matrix
from aftercast.models.saved_json import Booster


@dataclass(frozen=True)
class Cell:
    """Boosters with their calibrator, or a base rate where failures are too few.

    Attributes
    ----------
    boosters
        Members whose hazards are averaged; empty where there is only the base rate.
    prior
        Hazard without features.
    """

    boosters: tuple[Booster, ...]
    prior: float
    calibrator: Calibrator

    @property
    def rounds(self) -> int:
        """Boosting rounds, the mean of the members; 0 without any."""
        return round(sum(booster.num_trees() for booster in self.boosters) / max(len(self.boosters), 1))

    def raw_hazard(self, matrix: Matrix) -> Floats:
        """Uncalibrated hazard of each row, shape (n,)."""
        if not self.boosters or len(matrix) == 0:
            return np.full(len(matrix), self.prior)
        return np.mean([booster.predict(matrix, num_threads=1) for booster in self.boosters], axis=0, dtype=np.float64)

    def shifted(self, log_odds: float) -> Cell:
        """Cell whose hazards have their log-odds moved."""
        calibrator = replace(self.calibrator, offset=self.calibrator.offset + log_odds)
        return replace(self, prior=float(moved(np.array(self.prior), log_odds)), calibrator=calibrator)

    def contributions(self, matrix: Matrix) -> Floats:
        """Mean SHAP values of the members (LightGBM ``pred_contrib``) in log-odds, shape (n, f)."""
        found = np.zeros(matrix.shape, dtype=np.float64)
        for booster in self.boosters if len(matrix) > 0 else ():
            found += np.asarray(booster.predict(matrix, pred_contrib=True, num_threads=1))[:, :-1]
        return found / max(len(self.boosters), 1)

    def gain(self, features: int) -> Floats:
        """Gain of each of the features, summed over the members, shape (f,)."""
        return np.sum([booster.feature_importance("gain") for booster in self.boosters] or [np.zeros(features)], axis=0)
