"""One cell of the hazard model: the hazard of one component in one interval."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from aftercast.models.calibration import Calibrator
from aftercast.models.hazard.risks import Floats
from aftercast.models.hazard.schema import Matrix


@dataclass(frozen=True)
class Cell:
    """A booster with its calibrator, or a base rate where failures are too few.

    Attributes
    ----------
    prior
        Hazard without features, used where ``booster`` is None.
    """

    booster: lgb.Booster | None
    prior: float
    calibrator: Calibrator

    @property
    def rounds(self) -> int:
        """Boosting rounds, 0 without a booster."""
        return 0 if self.booster is None else int(self.booster.num_trees())

    def raw_hazard(self, matrix: Matrix) -> Floats:
        """Uncalibrated hazard of each row, shape (n,)."""
        if self.booster is None or len(matrix) == 0:
            return np.full(len(matrix), self.prior)
        return np.asarray(self.booster.predict(matrix, num_threads=1), dtype=np.float64)
