"""Drivers: which features moved a row's risk, in log-odds of the hazards, combined over intervals and components."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.models.hazard import HazardModel

Floats = npt.NDArray[np.float64]


def contributions(model: HazardModel, features: pd.DataFrame) -> Floats:
    """Mean SHAP values of the boosters, shape (n, f), weighted by each hazard's share.

    A cell's weight is its hazard over the sum of hazards of the row, so that the drivers are those of what is likely;
    the sign says whether the feature raises (positive) or lowers the risk against the average row.
    """
    matrix = model.schema.matrix(features)
    hazards = model.hazards(matrix)
    total = np.maximum(hazards.sum(axis=(1, 2)), np.finfo(np.float64).tiny)
    out = np.zeros(matrix.shape, dtype=np.float64)
    for k, row in enumerate(model.cells):
        for c, cell in enumerate(row):
            out += (hazards[:, k, c] / total)[:, None] * cell.contributions(matrix)
    return out


def drivers(model: HazardModel, features: pd.DataFrame, top: int) -> list[list[tuple[str, Any, float]]]:
    """Feature, value and contribution of the strongest drivers of each row, largest absolute contribution first.

    Features that contribute nothing are left out, so a row judged by base rates alone has no drivers. A missing value
    is NaN (numbers) or None (texts).
    """
    found = contributions(model, features)
    order = np.argsort(-np.abs(found), axis=1, kind="stable")[:, :top]
    names = model.schema.names
    return [
        [(names[j], _value(features[names[j]].iloc[i]), float(found[i, j])) for j in order[i] if found[i, j] != 0.0]
        for i in range(len(features))
    ]


def importance(model: HazardModel) -> dict[str, float]:
    """Share of the total gain of all boosters by feature, largest first; empty without boosters."""
    gain = np.zeros(len(model.schema.names))
    for row in model.cells:
        for cell in row:
            gain += cell.gain(len(gain))
    total = gain.sum()
    if total <= 0:
        return {}
    order = np.argsort(-gain, kind="stable")
    return {model.schema.names[j]: float(gain[j] / total) for j in order if gain[j] > 0}


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return None if value is None else float(value)
