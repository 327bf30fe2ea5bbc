"""How boosters are grown: defaults for rare events, without class weights, which would undo calibration."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HazardSettings:
    """Settings of the boosters.

    Attributes
    ----------
    rounds
        Most boosting rounds; fewer where the later period stops improving.
    patience
        Rounds without improvement of the later period's log loss after which growing stops.
    fallback_rounds
        Rounds where the later period holds too few events to choose.
    maximum_rows
        More rows than this in an interval: negatives are sampled and weighted by the inverse of their share.
    workers
        Boosters grown side by side, one thread each; the result does not depend on it.
    """

    learning_rate: float = 0.05
    num_leaves: int = 15
    rounds: int = 300
    patience: int = 30
    fallback_rounds: int = 80
    maximum_rows: int = 50_000
    workers: int = field(default_factory=lambda: os.cpu_count() or 1, compare=False)
    seed: int = 0

    def parameters(self, events: int) -> dict[str, Any]:
        """Parameters of LightGBM for an interval with so many events: leaves hold a fair share of them."""
        return {
            "objective": "binary",
            "metric": "binary_logloss",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": int(min(max(events // 4, 5), 50)),
            "min_sum_hessian_in_leaf": 0.1,
            "lambda_l2": 1.0,
            "feature_fraction": 0.8,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "seed": self.seed,
            "verbosity": -1,
        }
