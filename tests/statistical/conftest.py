"""A simulated fleet through the real path, forecast after its training, beside the probabilities that are true."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from aftercast.data.fleet import load_fleet
from aftercast.data.ingest import get_source, ingest
from aftercast.data.simulator import simulate
from aftercast.data.workspace import create_workspace
from aftercast.features.evidence import evidence_class
from aftercast.models.examples.cases import build_cases
from aftercast.models.fit.training import train_from_store
from aftercast.models.hazard.risks import Risks
from aftercast.operations.clocks import DAY_US, cutoff_grid, from_us

DEVICES, DAYS, SEED = 300, 240, 5
TRAIN_UNTIL = pd.Timestamp("2025-06-20", tz="UTC")
TEST = pd.Timestamp("2025-06-21", tz="UTC"), pd.Timestamp("2025-07-26", tz="UTC")
HORIZONS = {"p_24h": "24h", "p_7d": "7d", "p_30d": "30d"}


@dataclass(frozen=True)
class Forecast:
    """Predicted and true probabilities of the same rows.

    Attributes
    ----------
    predicted, true
        Column of ``HORIZONS`` -> shape (n, C).
    age_days
        Age of each component, shape (n, C).
    evidence
        Shape (n,).
    """

    components: tuple[str, ...]
    predicted: dict[str, npt.NDArray[np.float64]]
    true: dict[str, npt.NDArray[np.float64]]
    age_days: npt.NDArray[np.float64]
    evidence: npt.NDArray[np.str_]


@pytest.fixture(scope="session")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Forecast:
    """Forecast of every device every five days, by a model trained on what was known before."""
    folder = tmp_path_factory.mktemp("truth")
    simulate(folder, devices=DEVICES, days=DAYS, seed=SEED)
    workspace = create_workspace(folder / "fleet", load_fleet(folder / "fleet.toml"))
    fleet = workspace.fleet.model_copy(update={"horizons": ("24h", "7d", "30d")})
    ingest(workspace.store, get_source("tables").read(folder / "tables", fleet), fleet, origin="simulated")
    trained = train_from_store("failure", workspace.store, fleet, until=TRAIN_UNTIL)
    cases = build_cases("failure", workspace.store, fleet, cutoff_grid(*TEST, 5 * DAY_US), version=1)
    keys = pd.DataFrame({"device_id": cases.examples.ids, "cutoff": from_us(cases.examples.cutoff_us)})
    risks = trained.model.predict(cases.features)
    true, present = true_probabilities(folder / "truth" / "probabilities.parquet", keys, risks)
    ages = [cases.features[f"{name}_age_hours"].to_numpy(np.float64) / 24 for name in risks.components]
    return Forecast(
        components=risks.components,
        predicted={name: risks.probability[present, k] for k, name in enumerate(HORIZONS)},
        true={name: values[present] for name, values in true.items()},
        age_days=np.column_stack(ages)[present],
        evidence=evidence_class(cases.features, fleet)[present],
    )


def true_probabilities(
    path: Path, keys: pd.DataFrame, risks: Risks
) -> tuple[dict[str, npt.NDArray[np.float64]], npt.NDArray[np.bool_]]:
    """True probabilities in the order of keys, shape (n, C) by horizon; and the rows that have them all."""
    table = (
        pd.read_parquet(path)
        .astype({"device_id": "str"})
        .assign(cutoff=lambda t: t["cutoff"].astype("datetime64[us, UTC]"))
    )
    columns: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in HORIZONS}
    for component in risks.components:
        found = keys.merge(table[table["component"] == component], on=["device_id", "cutoff"], how="left")
        for name in HORIZONS:
            columns[name].append(found[name].to_numpy(np.float64))
    stacked = {name: np.column_stack(values) for name, values in columns.items()}
    return stacked, np.asarray(~np.isnan(stacked["p_30d"]).any(axis=1))
