"""The failure model behind BentoML, as its documentation shows it: rows of features in, probabilities out.

``bentoml serve forecast:Forecast --working-dir HERE`` runs it; FORECAST_MODEL names the folder of the model's files.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import bentoml  # type: ignore[import-not-found]  # installed into an environment of its own
import pandas as pd

from aftercast.models.hazard import HazardModel
from aftercast.operations.clocks import parse_duration_us

HORIZON_US = parse_duration_us("7d")


@bentoml.service(workers=1, traffic={"timeout": 120, "max_concurrency": 1000})
class Forecast:
    """One process that holds the model."""

    def __init__(self) -> None:
        model = HazardModel.load(Path(os.environ["FORECAST_MODEL"]))
        # As in our own service: threads within a prediction only wait for each other on one core.
        self.model = replace(model, settings=replace(model.settings, workers=1))
        self.horizon = self.model.horizons_us.tolist().index(HORIZON_US)

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, rows: list[list[float | str | None]]) -> list[float]:
        """Probability of any failure within seven days, one a row; columns in the order of training."""
        frame = pd.DataFrame(rows, columns=list(self.model.schema.names))
        found: list[float] = self.model.predict(frame).any_probability[:, self.horizon].tolist()
        return found
