"""Files of a hazard model: one LightGBM text for each booster, and ``model.json`` for everything else."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import lightgbm as lgb
import numpy as np

from aftercast.models.fit.calibration import Calibrator
from aftercast.models.fit.probability_intervals import Band
from aftercast.models.hazard.cell import Cell
from aftercast.models.hazard.schema import Schema
from aftercast.models.hazard.settings import HazardSettings
from aftercast.models.registry.saved_json import load_json, save_json

if TYPE_CHECKING:
    from aftercast.models.hazard.model import HazardModel

FILE: Final = "model.json"
FORMAT: Final = 3


def save_model(model: HazardModel, folder: Path) -> None:
    """Write a model into a folder, which is made where it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "components": list(model.components),
        "horizons_us": model.horizons_us.tolist(),
        "features": list(model.schema.names),
        "categories": {name: list(values) for name, values in model.schema.categories.items()},
        "thresholds": [[None if math.isnan(v) else v for v in row] for row in model.thresholds.tolist()],
        "pooled": list(model.pooled),
        "bands": [None if band is None else band.to_dict() for band in model.bands],
        "settings": {k: v for k, v in asdict(model.settings).items() if k != "workers"},
        "cells": [
            [_save_cell(cell, folder, f"booster-{k}-{c}") for c, cell in enumerate(row)]
            for k, row in enumerate(model.cells)
        ],
    }
    save_json(folder / FILE, FORMAT, content)


def load_model(folder: Path) -> dict[str, Any]:
    """Fields of the model in a folder.

    Raises
    ------
    ModelMismatchError
        If the folder holds no model, or one of another format.
    """
    return load_json(
        folder / FILE, FORMAT, lambda content: _fields(content, folder), what="hazard model", mend="Train again."
    )


def _fields(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    values = [[math.nan if v is None else v for v in row] for row in content["thresholds"]]
    categories = {name: tuple(found) for name, found in content["categories"].items()}
    return {
        "components": tuple(content["components"]),
        "horizons_us": np.array(content["horizons_us"], dtype=np.int64),
        "schema": Schema(tuple(content["features"]), categories),
        "cells": tuple(tuple(_load_cell(cell, folder) for cell in row) for row in content["cells"]),
        "thresholds": np.array(values, dtype=np.float64),
        "pooled": tuple(content["pooled"]),
        "bands": tuple(None if band is None else Band.from_dict(band) for band in content["bands"]),
        "settings": HazardSettings(**content["settings"]),
    }


def _save_cell(cell: Cell, folder: Path, name: str) -> dict[str, Any]:
    files = [f"{name}-{member}.txt" for member in range(len(cell.boosters))]
    for file, booster in zip(files, cell.boosters, strict=True):
        (folder / file).write_text(booster.model_to_string(), encoding="utf-8")
    return {"boosters": files, "prior": cell.prior, "calibrator": cell.calibrator.to_dict()}


def _load_cell(content: dict[str, Any], folder: Path) -> Cell:
    files = [folder / _plain(name) for name in content["boosters"]]
    boosters = (lgb.Booster(model_str=file.read_text(encoding="utf-8")) for file in files)
    return Cell(tuple(boosters), content["prior"], Calibrator(**content["calibrator"]))


def _plain(name: str) -> str:
    """Name of a file within the model's folder; raises ValueError for one that leads elsewhere."""
    if Path(name).name != name:
        raise ValueError("a booster's file lies outside of the model's folder")
    return name
