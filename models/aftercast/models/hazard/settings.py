"""How boosters are grown: defaults for rare events, without class weights, which would undo calibration."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from aftercast.operations.clocks import DAY_US


@dataclass(frozen=True)
class HazardSettings:
    """Settings of the boosters.

    Few leaves, half of the features a tree, members that each miss some devices: the rows of one device repeat each
    other day after day, and a bigger tree learns which device it looks at (``docs/adr/0005-hazard-boosters.md`` has the
    figures).

    Attributes
    ----------
    members
        Boosters of a hazard, each grown without the devices whose number leaves its own rest; 1: one of all devices.
    leaf
        Rows that a leaf holds at least, for each time that one failure is seen (see ``every_us``).
    lambda_l2
        Ridge penalty of the values of leaves.
    every_us
        Time between cutoffs: a failure in an interval is seen from each of the cutoffs in it.
    rounds
        Most boosting rounds; fewer where the later period stops improving.
    patience
        Rounds without improvement of the later period's log loss after which growing stops.
    fallback_rounds
        Rounds where the later period holds too few events to choose.
    maximum_rows
        More rows of a member than this: negatives are sampled and weighted by the inverse of their share.
    workers
        Boosters grown side by side, one thread each; the result does not depend on it.
    """

    learning_rate: float = 0.05
    num_leaves: int = 4
    members: int = 4
    feature_fraction: float = 0.5
    leaf: int = 20
    lambda_l2: float = 1.0
    every_us: int = DAY_US
    rounds: int = 300
    patience: int = 30
    fallback_rounds: int = 80
    maximum_rows: int = 20_000
    workers: Annotated[int, Field(exclude=True)] = field(default_factory=lambda: os.cpu_count() or 1, compare=False)
    seed: int = 0

    def parameters(self, events: int, span_us: int) -> dict[str, Any]:
        """Parameters of LightGBM for an interval of a length with so many events: leaves hold a fair share of them."""
        repeats = max(span_us / self.every_us, 1.0)
        return {
            "objective": "binary",
            "metric": "binary_logloss",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": max(int(min(events / 4, self.leaf * repeats)), 5),
            "min_sum_hessian_in_leaf": 0.1,
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_fraction,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "seed": self.seed,
            "verbosity": -1,
        }
