"""Baselines of remaining life: what a model has to beat before anybody should trust it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import lightgbm as lgb
import numpy as np
from sklearn.linear_model import Ridge

from aftercast.models.aliases import Floats
from aftercast.models.kinds.remaining_life.folds import remaining
from aftercast.models.kinds.remaining_life.trajectories import Trajectories, find_regimes

Baseline: TypeAlias = Callable[[Trajectories, Trajectories, float], Floats]
AGE: Final = "age only"


def mean_life(train: Trajectories, asked: Trajectories, cap: float) -> Floats:
    """Mean capped life of all training rows, whatever the unit."""
    return np.full(len(asked.cycles), np.minimum(remaining(train), cap).mean())


def age_only(train: Trajectories, asked: Trajectories, cap: float) -> Floats:
    """Mean capped life left to training units that reached the age; of the oldest where none did."""
    lives = train.cycles[train.last_rows]
    ages = np.minimum(asked.cycles, lives.max())
    left = np.minimum(lives[None, :] - ages[:, None], cap)
    alive = left >= 0
    mean: Floats = np.where(alive, left, 0).sum(axis=1) / alive.sum(axis=1)
    return mean


def ridge_last(train: Trajectories, asked: Trajectories, cap: float) -> Floats:
    """Ridge regression on the row's sensors, normalised by operating regime."""
    regimes = find_regimes(train)
    rows = [regimes.normalise(each.settings, each.sensors) for each in (train, asked)]
    return np.asarray(Ridge(alpha=1.0).fit(rows[0], np.minimum(remaining(train), cap)).predict(rows[1]))


def plain_lightgbm(train: Trajectories, asked: Trajectories, cap: float) -> Floats:
    """LightGBM with its defaults on the row's cycle, settings and sensors as they are."""
    rows = [np.column_stack([each.cycles, each.settings, each.sensors]) for each in (train, asked)]
    data = lgb.Dataset(rows[0], np.minimum(remaining(train), cap))
    booster = lgb.train({"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 0}, data)
    return np.asarray(booster.predict(rows[1]))


BASELINES: Final[dict[str, Baseline]] = {
    "mean life": mean_life,
    AGE: age_only,
    "ridge, last row": ridge_last,
    "plain LightGBM, last row": plain_lightgbm,
}
