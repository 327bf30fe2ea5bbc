"""How ``mlflow.pyfunc.load_model`` opens a model of ours, whatever its kind: from its text files, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from aftercast.models.kind import Model
from aftercast.models.kinds import kind_of
from aftercast.models.metadata import Metadata


class PyfuncModel:
    """A model behind MLflow's interface."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answers to rows of input, see the ``table`` of the model. No params are known."""
        if params:
            raise ValueError(f"unknown params: {', '.join(sorted(params))}")
        return self.model.table(frame)


def _load_pyfunc(path: str) -> PyfuncModel:
    """Open the folder of a model's files; MLflow calls this name."""
    folder = Path(path)
    return PyfuncModel(kind_of(Metadata.read(folder).kind).load(folder))
