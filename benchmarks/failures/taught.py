"""What the features could tell at best: boosters that were taught the true probabilities instead of the failures."""

from __future__ import annotations

from typing import Final

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.workspace import Workspace
from aftercast.models.examples.cases import Cases, build_cases, cadence_us, first_moment
from aftercast.models.examples.splits import training_cutoffs
from aftercast.models.hazard import Schema
from aftercast.operations.clocks import cutoff_grid, timestamp_us, to_us

PARAMETERS: Final = {
    "objective": "cross_entropy",
    "num_leaves": 15,
    "learning_rate": 0.05,
    "feature_fraction": 0.5,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbosity": -1,
}
ROUNDS: Final = 200
KEYS: Final = ("id", "cutoff", "component")


class Taught:
    """Rows of the training time and of the test, for one booster a component and horizon.

    No model of failures has such labels. What it still lacks to the truth is not in the features.
    """

    def __init__(self, workspace: Workspace, truth: pd.DataFrame, until: pd.Timestamp, last: pd.Timestamp) -> None:
        store, spec = workspace.store, workspace.fleet
        version, every = store.version(), cadence_us("failure", spec)
        first = first_moment("failure", store, version, until)
        past = training_cutoffs(first, timestamp_us(until), every)
        cutoffs = np.union1d(past, cutoff_grid(until, last, every))
        cases = build_cases("failure", store, spec, cutoffs, version=version)
        learnt = cases.examples.cutoff_us < timestamp_us(until)
        self._past, self._test, self._truth = cases.take(learnt), cases.take(~learnt), truth

    def probabilities(self, column: str) -> pd.DataFrame:
        """Probability of each test row and component for a column of the truth; keys and ``probability``."""
        schema = Schema.of(self._past.features)
        rows, asked = schema.matrix(self._past.features), schema.matrix(self._test.features)
        parts = []
        for component, part in self._truth.groupby("component", observed=True):
            target = _aligned(part, column, self._past)
            known = np.isfinite(target)
            data = lgb.Dataset(rows[known], target[known], categorical_feature=schema.categorical)
            found = np.asarray(lgb.train(PARAMETERS, data, ROUNDS).predict(asked))
            examples = self._test.examples
            cutoff = pd.to_datetime(examples.cutoff_us, unit="us", utc=True)
            keys = {"id": examples.ids.astype(str), "cutoff": cutoff, "component": str(component)}
            parts.append(pd.DataFrame({**keys, "probability": found}))
        return pd.concat(parts, ignore_index=True)


def _aligned(truth: pd.DataFrame, column: str, cases: Cases) -> npt.NDArray[np.float64]:
    """Truth of the rows of cases, shape (n,); NaN where there is none."""
    keyed = pd.Series(
        truth[column].to_numpy(np.float64), index=[truth["id"].astype(str).to_numpy(), to_us(truth["cutoff"])]
    )
    wanted = pd.MultiIndex.from_arrays([cases.examples.ids.astype(str), cases.examples.cutoff_us])
    return keyed.reindex(wanted).to_numpy(np.float64)
