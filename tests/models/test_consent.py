"""Customers who refused to be learnt from leave no trace in a churn model; forecasts of them go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aftercast.data.contract import TABLES
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import Batch, ingest
from aftercast.data.store import Store
from aftercast.data.workspace import Workspace
from aftercast.models.fit.training import train_from_store
from aftercast.models.kinds import hazard_kind
from aftercast.operations.database.engine import open_database

START = pd.Timestamp("2026-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
Frames = dict[str, pd.DataFrame]


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[str, Frames, FleetSpec], Store]:
    """Return a function that stores tables under a name."""

    def store(name: str, frames: Frames, spec: FleetSpec) -> Store:
        folder = tmp_path / name
        folder.mkdir()
        made = Store(str(folder / "store"), open_database("sqlite:///records.db", folder), 2)
        batches = [Batch(table, frames[table], f"{table}.csv") for table in TABLES if table in frames]
        ingest(made, batches, spec, origin="test")
        return made

    return store


def customer(name: str, day: int, consent: bool | None) -> dict[str, object]:
    known = START + day * DAY
    return {"customer_id": name, "since": START, "available_at": known, "consent_training": consent}


def test_the_last_word_known_counts_and_silence_changes_nothing(
    stored: Callable[[str, Frames, FleetSpec], Store],
) -> None:
    rows = [
        customer("always", 0, True),
        customer("never", 0, False),
        customer("silent", 0, None),
        customer("withdrew", 0, True),
        customer("withdrew", 5, False),
        customer("came back", 0, False),
        customer("came back", 5, True),
        customer("moved", 0, False),
        customer("moved", 5, None),
    ]
    store = stored("words", {"customers": pd.DataFrame(rows)}, FleetSpec(name="words"))

    def refused(day: int) -> list[str]:
        return [
            str(each)
            for each in hazard_kind("churn").refusals(store, version=store.version(), known_at=START + day * DAY)
        ]

    assert sorted(refused(1)) == ["came back", "moved", "never"]
    assert sorted(refused(5)) == ["moved", "never", "withdrew"]
    assert len(hazard_kind("failure").refusals(store, version=store.version(), known_at=START + 5 * DAY)) == 0


def test_a_training_is_the_same_whatever_those_who_refused_did(
    fleet_workspace: Workspace, stored: Callable[[str, Frames, FleetSpec], Store]
) -> None:
    fleet, source = fleet_workspace.fleet, fleet_workspace.store
    spec = fleet.model_copy(update={"churn": fleet.churn.model_copy(update={"horizons": ("30d",)})})
    frames = {name: source.read(name) for name in ("devices", "customers", "purchases", "contacts")}
    ids = np.unique(frames["customers"]["customer_id"])
    left = frames["customers"].dropna(subset="left_at")["customer_id"].unique()
    refusing = [*left[:1], *np.setdiff1d(ids, left)[:4]]
    refuses = frames["customers"]["customer_id"].isin(refusing)
    frames["customers"] = frames["customers"].assign(consent_training=~refuses)
    bought = frames["purchases"]["customer_id"].isin(refusing)
    doubled = frames["purchases"].assign(amount=frames["purchases"]["amount"].where(~bought, 1e6))
    boosters = []
    for name, purchases in (("as it was", frames["purchases"]), ("changed", doubled)):
        store = stored(name, {**frames, "purchases": purchases}, spec)
        trained = train_from_store("churn", store, spec)
        boosters.append([each.model_to_string() for each in trained.model.cells[0][0].boosters])
    assert bought.any()
    assert boosters[0] == boosters[1]
    agreed = stored("agreed", {**frames, "customers": frames["customers"].assign(consent_training=True)}, spec)
    everyone = train_from_store("churn", agreed, spec).model.cells[0][0].boosters
    assert boosters[0] != [each.model_to_string() for each in everyone]
