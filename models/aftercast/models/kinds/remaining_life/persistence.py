"""Files of a remaining life model: one LightGBM text for each booster, and ``model.json`` for everything else."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import lightgbm as lgb
import numpy as np

from aftercast.models.aliases import Floats
from aftercast.models.kinds.remaining_life.distribution import Answers
from aftercast.models.kinds.remaining_life.members import Members
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories import Recipe, RecipeSettings
from aftercast.models.registry.saved_json import load_json, save_json

if TYPE_CHECKING:
    from aftercast.models.kinds.remaining_life.model import RemainingLifeModel

FILE: Final = "model.json"
FORMAT: Final = 1
Fields: TypeAlias = tuple[Members, Floats, Answers, Floats, RemainingLifeSettings]


def save_model(model: RemainingLifeModel, folder: Path) -> None:
    """Write a model into a folder, which is made where it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, row in enumerate(model.members.boosters):
        for seed, booster in enumerate(row):
            (folder / _name(k, seed)).write_text(booster.model_to_string(), encoding="utf-8")
    content = {
        "boosters": [len(row) for row in model.members.boosters],
        "recipe": model.members.recipe.to_dict(),
        "weights": model.weights.tolist(),
        "answers": model.answers.to_dict(),
        "widening": model.widening.tolist(),
        "settings": {k: v for k, v in asdict(model.settings).items() if k != "workers"},
    }
    save_json(folder / FILE, FORMAT, content)


def load_model(folder: Path) -> Fields:
    """Read the fields of a model.

    Raises
    ------
    ModelMismatchError
        If the folder holds no model, or one of another format.
    """
    return load_json(
        folder / FILE,
        FORMAT,
        lambda content: _fields(content, folder),
        what="remaining life model",
        mend="Train again.",
    )


def _fields(content: dict[str, Any], folder: Path) -> Fields:
    boosters = tuple(
        tuple(_booster(folder / _name(k, seed)) for seed in range(count)) for k, count in enumerate(content["boosters"])
    )
    return (
        Members(Recipe.from_dict(content["recipe"]), boosters),
        np.array(content["weights"], dtype=np.float64),
        Answers.from_dict(content["answers"]),
        np.array(content["widening"], dtype=np.float64),
        _settings(content["settings"]),
    )


def _settings(content: dict[str, Any]) -> RemainingLifeSettings:
    lists: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return RemainingLifeSettings(**{**lists, "recipe": RecipeSettings.from_dict(content["recipe"])})


def _booster(path: Path) -> lgb.Booster:
    return lgb.Booster(model_str=path.read_text(encoding="utf-8"))


def _name(view: int, seed: int) -> str:
    return f"booster-{view}-{seed}.txt"
