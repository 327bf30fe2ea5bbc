"""A service that keeps running takes up new rows, a new champion and new devices, and no request fails meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pandas as pd
import pytest

from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace
from aftercast.models.kind import Gate
from aftercast.models.registry.versions import load_champion, promote, register
from aftercast.models.scoring.snapshot import snapshot_path, take_snapshot
from aftercast.models.scoring.snapshot_file import load_snapshot, save_snapshot

DAY = pd.Timedelta(days=1)
PATIENCE_S = 30.0


@pytest.fixture
def asking(
    own_fleet: Workspace,
    listening: Callable[[Workspace], AbstractContextManager[str]],
    client_of: Callable[..., httpx.Client],
) -> Iterator[httpx.Client]:
    """Client of a service on the copy."""
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as found:
        yield found


def _ask(client: httpx.Client, device_id: str) -> dict[str, Any]:
    answered = client.post("/v1/failure-risk", json={"devices": [{"device_id": device_id}]})
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


def _ask_until(client: httpx.Client, device_id: str, changed: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answered = _ask(client, device_id)
        if changed(answered) or time.monotonic() > deadline:
            return answered


def test_newly_scored_rows_are_taken_up(asking: httpx.Client, own_fleet: Workspace) -> None:
    path = snapshot_path(own_fleet.folder, "failure")
    old = load_snapshot(path)
    other = take_snapshot(own_fleet.store, own_fleet.fleet, "failure", old.cutoff - DAY)
    device_id = str(other.ids[0])
    assert pd.Timestamp(_ask(asking, device_id)["cutoff"]) == old.cutoff
    save_snapshot(other, path)
    answered = _ask_until(asking, device_id, lambda found: pd.Timestamp(found["cutoff"]) == other.cutoff)
    assert pd.Timestamp(answered["cutoff"]) == other.cutoff


def test_a_newly_promoted_champion_answers(asking: httpx.Client, own_fleet: Workspace) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    before = _ask(asking, device_id)
    first = load_champion(own_fleet, "failure")
    second = register(own_fleet, "failure", first.run_id, "second", first.metadata.until)
    promote(own_fleet, second, Gate(passed=True, why="asked for."))
    after = _ask_until(asking, device_id, lambda found: found["model"]["version"] == second.version)
    assert before["model"]["version"] != second.version
    assert after["model"]["version"] == second.version
    assert after["results"][0]["probability"] == before["results"][0]["probability"]


def test_a_device_imported_after_the_scoring_is_known_but_not_scored(
    asking: httpx.Client, own_fleet: Workspace
) -> None:
    now = load_snapshot(snapshot_path(own_fleet.folder, "failure")).cutoff
    row = (
        own_fleet.store.read("devices")[lambda found: found["retired_at"].isna()]
        .iloc[[0]]
        .assign(device_id="newcomer", installed_at=now - DAY, available_at=now)
    )
    before = _ask(asking, "newcomer")["results"][0]
    ingest(own_fleet.store, [Batch("devices", row, "test", 1)], own_fleet.fleet, origin="test")
    after = _ask(asking, "newcomer")["results"][0]
    assert (before["error"]["code"], after["error"]["code"]) == ("unknown_device", "not_scored")
    assert after["error"]["hint"] == "Ask again after the next scoring."


def test_rows_that_cannot_be_read_leave_the_old_ones_answering(
    asking: httpx.Client, own_fleet: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    before = _ask(asking, device_id)
    snapshot_path(own_fleet.folder, "failure").write_bytes(b"half a file")
    deadline = time.monotonic() + PATIENCE_S
    while "The failure model stays as it is" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "The failure model stays as it is" in caplog.text
    assert _ask(asking, device_id) == before
