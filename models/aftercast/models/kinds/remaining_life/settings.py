"""How remaining life is learnt: one set of defaults for fleets with one or several operating regimes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field

from aftercast.models.kinds.remaining_life.trajectories import RecipeSettings

HUBER: Final = 0.08  # of the cap: errors beyond it weigh linearly, so that engines that fail oddly do not rule


@dataclass(frozen=True)
class RemainingLifeSettings:
    """Settings of a remaining life model; lives and ages in cycles.

    Attributes
    ----------
    setting_columns
        Columns of the frame that describe how the unit is operated.
    sensor_columns
        Columns of the sensors; empty for every column that is neither ``unit``, ``cycle`` nor a setting.
    cap
        Remaining life beyond which units are all alike: a healthy one shows no sign of when it will fail (Heimes
        2008).
    coverage
        Share of units whose remaining life shall lie in the interval.
    stages
        Edges of the life stages as shares of the cap; a unit's stage is that of its predicted remaining life.
    horizon
        Rows with at most this remaining life, as a share of the cap, weigh fully in training, and are those a choice
        between models and the interval are made for.
    weight_beyond
        Weight in training of rows with a longer remaining life.
    youngest
        Rows of a unit's first cycles are learnt from, and left out of every choice and interval.
    early, late
        Scales of the cost of an error: exp(early error / early) - 1 and exp(late error / late) - 1 (Saxena et al.
        2008); a late error promises more life than there is.
    every
        Every so many rows of a unit are learnt from: neighbours are nearly alike.
    seeds
        Boosters of each view of the features that are averaged, see :meth:`parameters`.
    workers
        Boosters grown side by side, one thread each; the result does not depend on it.
    folds
        Groups of training units for the out-of-fold predictions.
    """

    setting_columns: tuple[str, ...] = ("setting1", "setting2", "setting3")
    sensor_columns: tuple[str, ...] = ()
    cap: float = 125.0
    coverage: float = 0.9
    stages: tuple[float, ...] = (0.2, 0.4, 0.8)
    horizon: float = 1.2
    weight_beyond: float = 0.3
    youngest: int = 20
    early: float = 13.0
    late: float = 10.0
    every: int = 2
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    rounds: int = 250
    learning_rate: float = 0.05
    num_leaves: int = 15
    folds: int = 5
    workers: Annotated[int, Field(exclude=True)] = field(default_factory=lambda: os.cpu_count() or 1, compare=False)
    recipe: RecipeSettings = field(default_factory=RecipeSettings)

    def parameters(self, seed: int) -> dict[str, Any]:
        """Parameters of LightGBM: shallow trees of few features each, which average well over noisy sensors.

        Odd seeds split at random thresholds (Geurts, Ernst and Wehenkel 2006), with twice the leaves: their errors are
        less like those of the others than another seed's are.
        """
        extremely_random = seed % 2 == 1
        return {
            "objective": "huber",
            "alpha": self.cap * HUBER,
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves * (2 if extremely_random else 1),
            "extra_trees": extremely_random,
            "min_data_in_leaf": 30,
            "feature_fraction": 0.3,
            "bagging_fraction": 0.5,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "seed": seed,
            "verbosity": -1,
        }
