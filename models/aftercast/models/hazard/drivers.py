"""Drivers: which features moved a row's risk, in log-odds of the hazards, combined over intervals and components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.models.aliases import Floats
from aftercast.models.hazard import HazardModel


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


def strongest(model: HazardModel, features: pd.DataFrame, top: int) -> tuple[npt.NDArray[np.int32], Floats]:
    """Columns of the strongest drivers of each row and their contributions, both shape (n, top).

    Largest absolute contribution first. Features that contribute nothing are left out, so a row judged by base rates
    alone has no drivers: -1 and 0 fill the rest.
    """
    if top == 0 or len(features) == 0:
        return np.full((len(features), top), -1, dtype=np.int32), np.zeros((len(features), top))
    found = contributions(model, features)
    order = np.argsort(-np.abs(found), axis=1, kind="stable")[:, :top]
    value = np.take_along_axis(found, order, axis=1)
    return np.where(value != 0.0, order, -1).astype(np.int32), value


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
