"""Members of the stack: boosters of two views of the features and several seeds."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.optimize import nnls

from aftercast.models.aliases import Floats, Ints
from aftercast.models.hazard.threads import in_threads
from aftercast.models.kinds.remaining_life.folds import remaining
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories import Recipe, Trajectories, fit_recipe
from aftercast.models.saved_json import Booster


@dataclass(frozen=True)
class Members:
    """A recipe and boosters, a row of seeds for each of the recipe's views."""

    recipe: Recipe
    boosters: tuple[tuple[Booster, ...], ...]

    def predict(self, trajectories: Trajectories, rows: Ints | None = None) -> Floats:
        """Remaining life in cycles by each view, seeds averaged, rows x views; all rows where none are named."""
        features = self.recipe.build(trajectories)
        asked = features if rows is None else features.iloc[rows]
        return np.column_stack(
            [
                np.mean([booster.predict(asked[list(names)].to_numpy(), num_threads=1) for booster in row], axis=0)
                for names, row in zip(self.recipe.views().values(), self.boosters, strict=True)
            ]
        )


def fit_members(trajectories: Trajectories, sensors: tuple[str, ...], settings: RemainingLifeSettings) -> Members:
    """Learn the recipe and grow every booster on units run to failure."""
    life = remaining(trajectories).to_numpy()
    recipe = fit_recipe(trajectories, sensors, life / settings.cap, settings.recipe)
    features = recipe.build(trajectories)
    views = [
        _data(features[list(names)], life, training_rows(trajectories, settings.every), settings)
        for names in recipe.views().values()
    ]
    wanted = [(view, seed, settings) for view in views for seed in settings.seeds]
    grown = in_threads(_grow, wanted, settings.workers)
    seeds = len(settings.seeds)
    return Members(recipe, tuple(tuple(grown[k * seeds : (k + 1) * seeds]) for k in range(len(views))))


def training_rows(trajectories: Trajectories, every: int) -> Ints:
    """Every so many rows of each unit counted back from its failure, ascending."""
    back = trajectories.last_rows[trajectories.unit_of_row] - np.arange(len(trajectories.cycles))
    return np.flatnonzero(back % every == 0).astype(np.int64)


def _data(features: pd.DataFrame, life: Floats, rows: Ints, settings: RemainingLifeSettings) -> lgb.Dataset:
    """Chosen rows as LightGBM's data: target capped, rows that count weigh fully."""
    near = life[rows] <= settings.horizon * settings.cap
    data = lgb.Dataset(
        features.to_numpy()[rows],
        label=np.minimum(life[rows], settings.cap),
        weight=np.where(near, 1.0, settings.weight_beyond),
        free_raw_data=False,
        params={"verbosity": -1, "feature_pre_filter": False, "num_threads": 1},
    )
    return data.construct()


def _grow(data: lgb.Dataset, seed: int, settings: RemainingLifeSettings) -> lgb.Booster:
    return lgb.train(settings.parameters(seed), data, settings.rounds)


def stack(predictions: Floats, truth: Floats, weight: Floats) -> Floats:
    """Weights of the members, not negative, of the least squared error, scaled to add up to one."""
    root = np.sqrt(weight)
    found, _ = nnls(predictions * root[:, None], truth * root)
    total = float(found.sum())
    return found / total if total > 0 else np.full(predictions.shape[1], 1.0 / predictions.shape[1])
