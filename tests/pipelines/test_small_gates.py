"""What a training says where the period cannot tell, and what a scoring does after a change of the fleet spec."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd
import pytest
from tests.pipelines.test_odd_names import BEGAN, COMPONENTS, SPEC, odd_tables

from aftercast.data.fleet import Component, Sensor
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.importer import ingest
from aftercast.data.workspace import FLEET_FILE, Workspace, create_workspace, open_workspace, write_fleet
from aftercast.models.registry.versions import client
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train

ONE = SPEC.model_copy(update={"components": (Component(name="pump"),), "sensors": (Sensor(name="heat"),)})


def one_component(folder: Path, keep: pd.Series | None = None) -> Workspace:
    """Fleet of one component and one sensor, with the failures that are kept."""
    tables = odd_tables()
    telemetry = tables["telemetry"].iloc[:, :4].set_axis(["device_id", "event_time", "available_at", "heat"], axis=1)
    failures = tables["failures"].assign(component="pump")
    tables = {**tables, "telemetry": telemetry, "failures": failures if keep is None else failures[keep]}
    workspace = create_workspace(folder / "fleet", ONE)
    ingest(workspace.store, [Batch(n, f, n) for n, f in tables.items()], workspace.fleet, origin="test")
    return workspace


def made_champion(workspace: Workspace) -> None:
    version = run_train(workspace, "failure").result["version"]
    client(workspace).set_registered_model_alias("aftercast-failure", "champion", version)


def test_a_period_without_failures_makes_no_champion_and_says_why(tmp_path: Path) -> None:
    at = odd_tables()["failures"]["event_time"]
    early = one_component(tmp_path, at < BEGAN + pd.Timedelta(days=45))
    result = run_train(early, "failure").result
    assert not result["champion"]
    assert "holds no failure: it cannot tell how good the model is" in result["decision"]


def test_a_scoring_after_a_change_of_the_fleet_spec_is_made_anew_or_refused(tmp_path: Path) -> None:
    workspace = one_component(tmp_path)
    made_champion(workspace)
    assert [run["repeated"] for run in run_score(workspace)["runs"]] == [False]
    assert [run["repeated"] for run in run_score(workspace)["runs"]] == [True]
    stale = ONE.features.model_copy(update={"stale_after": "12h"})
    write_fleet(workspace.path(FLEET_FILE), ONE.model_copy(update={"features": stale}))
    changed = open_workspace(workspace.folder)
    first, second = run_score(changed), run_score(changed)
    assert [run["repeated"] for run in first["runs"] + second["runs"]] == [False, True]
    assert first["runs"][0]["set_id"] == second["runs"][0]["set_id"]
    wider = ONE.features.model_copy(update={"windows": ("24h", "72h")})
    write_fleet(workspace.path(FLEET_FILE), ONE.model_copy(update={"features": wider}))
    with pytest.raises(ModelMismatchError, match="other features"):
        run_score(open_workspace(workspace.folder))


def test_a_training_of_churn_with_few_events_speaks_of_customers(tmp_path: Path) -> None:
    workspace = one_component(tmp_path)
    ids = [f"C{number}" for number in range(20)]
    customers = pd.DataFrame({"customer_id": ids, "since": BEGAN, "available_at": BEGAN})
    left = customers.head(2).assign(left_at=BEGAN + pd.Timedelta(days=30), available_at=BEGAN + pd.Timedelta(days=30))
    bought = pd.DataFrame({"customer_id": ids, "event_time": BEGAN + pd.Timedelta(days=2), "amount": 1.0})
    batches = [Batch("customers", customers, "customers"), Batch("customers", left, "left")]
    batches.append(Batch("purchases", bought, "purchases"))
    ingest(workspace.store, batches, workspace.fleet, origin="test")
    with pytest.raises(NotEnoughDataError, match="Too few customers left to learn from: 2; at least 3 are needed"):
        run_train(workspace, "churn")


@pytest.mark.slow
def test_a_fleet_of_150_sensors_is_trained_and_scored_without_a_warning_of_a_library(tmp_path: Path) -> None:
    names = [f"s{number:03}" for number in range(150)]
    tables = odd_tables()
    telemetry = tables["telemetry"].iloc[:, :3]
    values = pd.concat([tables["telemetry"].iloc[:, 3]] * len(names), axis=1).set_axis(names, axis=1)
    spec = SPEC.model_copy(update={"sensors": tuple(Sensor(name=name) for name in names)})
    workspace = create_workspace(tmp_path / "wide", spec)
    batches = [
        Batch(name, pd.concat([telemetry, values], axis=1) if name == "telemetry" else frame, name)
        for name, frame in tables.items()
    ]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ingest(workspace.store, batches, workspace.fleet, origin="test")
        made_champion(workspace)
        run_score(workspace)
    assert len(COMPONENTS) == 4
    assert [str(each.message) for each in told if each.category is not DeprecationWarning] == []
