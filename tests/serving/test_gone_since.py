"""Whoever retired or left after the last scoring is said to be gone, and not to begin on a day long past."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import Snapshot, gone_since, snapshot_path, why_not
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.models.words.explanation import explain
from aftercast.operations.database.inbox import InboxBatch, put_batch
from aftercast.operations.errors import NotFoundError
from aftercast.pipelines.drain import run_drain

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
ENDS = {"devices": "retired_at", "customers": "left_at"}
Listening = Callable[[Workspace], AbstractContextManager[str]]


def _rows(workspace: Workspace, kind: Any) -> Snapshot:
    return load_snapshot(snapshot_path(workspace.folder, kind))


def _drain_end(workspace: Workspace, table: str, entity_id: str, end: pd.Timestamp, known: pd.Timestamp) -> None:
    """Drain that a device or customer is gone since a time, as it became known later."""
    every = workspace.store.read(table)
    facts = every[every[f"{table[:-1]}_id"] == entity_id].iloc[-1].dropna()
    said = {**facts, ENDS[table]: end, "available_at": known}
    record = {str(name): _json(value) for name, value in said.items()}
    put_batch(workspace.database, InboxBatch(f"end of {entity_id}", table, (record,), pd.Timestamp.now("UTC")))
    assert run_drain(workspace)["kept"] == 1


def _json(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


@pytest.fixture
def retired(own_fleet: Workspace) -> str:
    """Device that retired two hours after the last scoring, which became known an hour later and was drained."""
    rows = _rows(own_fleet, "failure")
    device_id = str(rows.ids[0])
    _drain_end(own_fleet, "devices", device_id, rows.cutoff + 2 * HOUR, rows.cutoff + 3 * HOUR)
    assert device_id not in _rows(own_fleet, "failure").ids
    return device_id


def test_a_drained_retirement_is_the_reason_over_http_and_in_explain(
    own_fleet: Workspace, retired: str, listening: Listening, client_of: Callable[..., httpx.Client]
) -> None:
    cutoff = _rows(own_fleet, "failure").cutoff
    reason = f"the device had been retired by {cutoff + 2 * HOUR:%Y-%m-%d}"
    with listening(own_fleet) as url, client_of(url, own_fleet, "admin") as client:
        answered = client.post("/v1/failure-risk", json={"devices": [{"device_id": retired}]}).json()
        profile = client.get(f"/v1/devices/{retired}").json()
    (result,) = answered["results"]
    assert (result["reason"], profile["risk"]["reason"]) == (reason, reason)
    assert pd.Timestamp(result["cutoff"]) == cutoff + 3 * HOUR
    with pytest.raises(NotFoundError, match=reason):
        explain(own_fleet, "failure", retired)


def test_a_customer_whose_leaving_was_drained_is_said_to_have_left(
    own_fleet: Workspace, listening: Listening, client_of: Callable[..., httpx.Client]
) -> None:
    rows = _rows(own_fleet, "churn")
    customer_id, end = str(rows.ids[0]), rows.cutoff + 2 * HOUR
    _drain_end(own_fleet, "customers", customer_id, end, end)
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as client:
        answered = client.post("/v1/churn-risk", json={"customers": [{"customer_id": customer_id}]}).json()
    assert answered["results"][0]["reason"] == f"the customer had left by {end:%Y-%m-%d}"


def test_a_device_that_retired_since_is_explained_as_of_a_cutoff_when_it_was_in_the_field(
    own_fleet: Workspace, retired: str
) -> None:
    cutoff = _rows(own_fleet, "failure").cutoff
    found = explain(own_fleet, "failure", retired, cutoff=cutoff, components=1, cases=0)
    assert (found.answer.cutoff, found.answer.probability is not None) == (cutoff, True)


def test_an_end_that_is_planned_for_later_makes_nobody_gone(own_fleet: Workspace) -> None:
    rows = _rows(own_fleet, "failure")
    device_id = str(rows.ids[0])
    facts = own_fleet.store.read("devices", device_ids=[device_id]).tail(1)
    planned = facts.assign(retired_at=rows.cutoff + 400 * DAY, available_at=rows.cutoff)
    ingest(own_fleet.store, [Batch("devices", planned, "plan.csv")], own_fleet.fleet, origin="plan")
    assert gone_since(own_fleet.store, rows, [device_id]) == {}


def test_a_start_is_given_as_the_reason_only_where_it_lies_after_the_cutoff(own_fleet: Workspace) -> None:
    rows = _rows(own_fleet, "failure")
    device_id, start = str(rows.ids[0]), rows.cutoff + 10 * DAY
    assert "only on" not in why_not(own_fleet.store, "failure", device_id, rows.cutoff)
    facts = own_fleet.store.read("devices", device_ids=[device_id]).tail(1)
    ordered = facts.assign(device_id="ordered", installed_at=start, available_at=rows.cutoff)
    ingest(own_fleet.store, [Batch("devices", ordered, "order.csv")], own_fleet.fleet, origin="order")
    assert why_not(own_fleet.store, "failure", "ordered", rows.cutoff).endswith(f"installed only on {start:%Y-%m-%d}")
