"""How ``mlflow.pyfunc.load_model`` opens a model of ours: from its text files, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from aftercast.models.hazard import HazardModel, Risks
from aftercast.operations.clocks import format_duration


class Forecast:
    """A hazard model behind MLflow's interface."""

    def __init__(self, model: HazardModel) -> None:
        self.model = model

    def predict(self, features: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Probabilities, one row a row of features; see :func:`table`. No params are known."""
        if params:
            raise ValueError(f"unknown params: {', '.join(sorted(params))}")
        return table(self.model.predict(features))


def table(risks: Risks) -> pd.DataFrame:
    """Columns ``any_<horizon>`` and ``<component>_<horizon>``, probabilities, n rows."""
    columns = {}
    for h, end in enumerate(risks.horizons_us):
        horizon = format_duration(int(end))
        columns[f"any_{horizon}"] = risks.any_probability[:, h]
        for c, component in enumerate(risks.components):
            columns[f"{component}_{horizon}"] = risks.probability[:, h, c]
    return pd.DataFrame(columns)


def _load_pyfunc(path: str) -> Forecast:
    """Open the folder of a model's files; MLflow calls this name."""
    return Forecast(HazardModel.load(Path(path)))
