"""Every prediction that leaves the service, over whichever route, is in the audit log before it left."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from aftercast.cli.main import run
from aftercast.data.workspace import Workspace, open_workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.audit import export, newest_entries, verify
from aftercast.operations.database.inbox import count_waiting
from aftercast.serving.intake import Taken, take_records
from aftercast.serving.principals import Caller

PATIENCE_S = 120.0
CALLER = Caller("k", "k", ("ingest",), None, None, "key")
RECORDS: Final[dict[str, Any]] = {
    "table": "faults",
    "records": [{"device_id": "D1", "event_time": "2025-01-01T00:00:00Z", "code": "E1"}],
}


@pytest.fixture
def asking(
    own_fleet: Workspace,
    listening: Callable[[Workspace], AbstractContextManager[str]],
    client_of: Callable[..., httpx.Client],
) -> Iterator[httpx.Client]:
    """Client of a service on a copy of the fleet, whose log holds what this test asked."""
    with listening(own_fleet) as url, client_of(url, own_fleet, "admin") as client:
        yield client


def _devices(workspace: Workspace) -> list[str]:
    return [str(each) for each in load_snapshot(snapshot_path(workspace.folder, "failure")).ids]


def _newest(workspace: Workspace) -> dict[str, Any]:
    return next(newest_entries(workspace.path("audit"), 1))


def _figures(entry: dict[str, Any]) -> dict[str, float]:
    return {record["id"]: record["probability"] for record in entry["content"]["answers"]}


def test_an_answer_is_on_record_with_its_hash_caller_model_and_figures(
    asking: httpx.Client, own_fleet: Workspace
) -> None:
    first, second = _devices(own_fleet)[:2]
    body = {"devices": [{"device_id": first}, {"device_id": second}, {"device_id": "nobody"}]}
    answered = asking.post("/v1/failure-risk", json=body, headers={"X-Request-ID": "asked-1"})
    results, entry = answered.json()["results"], _newest(own_fleet)
    assert entry["event"] == "prediction"
    assert entry["content"]["request_id"] == "asked-1"
    assert entry["content"]["answer_sha256"] == hashlib.sha256(answered.content).hexdigest()
    assert entry["content"]["model_version"] == answered.json()["model"]["version"]
    assert entry["content"]["key_id"] in asking.headers["X-API-Key"]
    kept = entry["content"]["answers"]
    assert [each.get("probability") for each in kept] == [each.get("probability") for each in results]
    assert kept[2] == {"id": "nobody", "error": "unknown_device"}


def test_a_question_with_records_is_on_record(asking: httpx.Client, own_fleet: Workspace) -> None:
    rows = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    fault = {"event_time": rows.cutoff.isoformat(), "code": "E1"}
    body = {"devices": [{"device_id": str(rows.ids[0]), "faults": [fault]}]}
    (result,) = asking.post("/v1/failure-risk", json=body).json()["results"]
    assert _figures(_newest(own_fleet)) == {str(rows.ids[0]): result["probability"]}


def test_a_question_about_customers_is_on_record(asking: httpx.Client, own_fleet: Workspace) -> None:
    customer = str(load_snapshot(snapshot_path(own_fleet.folder, "churn")).ids[0])
    (result,) = asking.post("/v1/churn-risk", json={"customers": [{"customer_id": customer}]}).json()["results"]
    entry = _newest(own_fleet)
    assert entry["content"]["kind"] == "churn"
    assert _figures(entry) == {customer: result["probability"]}


def test_the_page_of_a_device_is_on_record(asking: httpx.Client, own_fleet: Workspace) -> None:
    device_id = _devices(own_fleet)[0]
    risk = asking.get(f"/v1/devices/{device_id}").json()["risk"]
    (record,) = _newest(own_fleet)["content"]["answers"]
    assert record["id"] == device_id
    assert record["probabilities"] == {each["horizon"]: each["probability"] for each in risk["horizons"]}


def test_the_facts_of_a_device_without_a_risk_are_on_record(
    own_fleet: Workspace,
    listening: Callable[[Workspace], AbstractContextManager[str]],
    client_of: Callable[..., httpx.Client],
) -> None:
    device_id = _devices(own_fleet)[0]
    shutil.rmtree(own_fleet.folder / "online")
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict") as client:
        assert client.get(f"/v1/devices/{device_id}").json()["risk"] is None
    entry = _newest(own_fleet)
    assert (entry["event"], entry["content"]["answers"]) == ("device", [{"id": device_id}])
    assert [each["event"] for each in export(own_fleet.path("audit"), device_id=device_id)] == ["device"]


def test_records_that_cannot_be_recorded_are_not_taken(asking: httpx.Client, own_fleet: Workspace) -> None:
    _block(own_fleet)
    refused = asking.post("/v1/records", json=RECORDS, headers={"Idempotency-Key": "k"})
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/audit-unavailable")
    assert count_waiting(own_fleet.database).batches == 0
    _unblock(own_fleet)
    taken = asking.post("/v1/records", json=RECORDS, headers={"Idempotency-Key": "k"}).json()
    assert (taken["repeated"], _batches(own_fleet)) == (False, [taken["batch_id"]])


def test_a_batch_is_on_record_although_the_service_was_killed_before_it_was_kept(own_fleet: Workspace) -> None:
    """The database is locked, so that the service has recorded the batch and waits to keep it when it is killed."""
    with closing(sqlite3.connect(own_fleet.folder / "aftercast.db", isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        service = subprocess.Popen([sys.executable, __file__, str(own_fleet.folder)])
        deadline = time.monotonic() + PATIENCE_S
        while not _batches(own_fleet) and time.monotonic() < deadline:
            time.sleep(0.05)
        service.kill()
        service.wait()
        lock.execute("ROLLBACK")
    assert count_waiting(own_fleet.database).batches == 0
    taken, again = _take(own_fleet), _take(own_fleet)
    assert (taken.repeated, again.repeated) == (False, True)
    assert _batches(own_fleet) == [taken.batch.batch_id] * 2
    assert count_waiting(own_fleet.database).batches == 1


def _take(workspace: Workspace) -> Taken:
    return take_records(workspace, **RECORDS, caller=CALLER, idempotency_key="k")


def _batches(workspace: Workspace) -> list[str]:
    """Batches in the audit log, oldest first."""
    found = [each for each in newest_entries(workspace.path("audit"), 1000) if each["event"] == "records"]
    return [each["content"]["batch_id"] for each in reversed(found)]


def _block(workspace: Workspace) -> None:
    """Put a folder, which nobody can append to, not even root, in the place of the newest segment."""
    for segment in workspace.path("audit").glob("*.jsonl"):
        segment.rename(segment.with_suffix(".kept"))
    (workspace.path("audit") / "000001.jsonl").mkdir()


def _unblock(workspace: Workspace) -> None:
    (workspace.path("audit") / "000001.jsonl").rmdir()
    for segment in workspace.path("audit").glob("*.kept"):
        segment.rename(segment.with_suffix(".jsonl"))


def test_a_risk_list_is_on_record_with_each_of_its_rows(asking: httpx.Client, own_fleet: Workspace) -> None:
    made = asking.post("/v1/risk-lists", json={"top": 5}).json()
    entry = _newest(own_fleet)
    assert (entry["event"], entry["content"]["list_id"]) == ("risk_list", made["list_id"])
    assert _figures(entry) == {row["device_id"]: row["probability"] for row in made["rows"]}


def test_a_list_of_the_command_line_is_on_record_too(own_fleet: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(["risk-list", "--top", "3", "--json", "--workspace", str(own_fleet.folder)])
    entry = _newest(own_fleet)
    assert entry["content"]["by"] == "command line"
    assert entry["content"]["list_id"] in capsys.readouterr().out
    assert len(entry["content"]["answers"]) == 3


def test_an_export_of_a_device_has_every_way_it_was_answered(asking: httpx.Client, own_fleet: Workspace) -> None:
    listed = asking.post("/v1/risk-lists", json={"top": 2}).json()["rows"][0]["device_id"]
    asking.post("/v1/failure-risk", json={"devices": [{"device_id": each} for each in _devices(own_fleet)[:9]]})
    asking.post("/v1/failure-risk", json={"devices": [{"device_id": listed}]})
    asking.get(f"/v1/devices/{listed}")
    found = list(export(own_fleet.path("audit"), device_id=listed))
    ways = [entry["event"] for entry in found if "by" not in entry["content"]]
    assert ways[-3:].count("prediction") >= 2
    assert "risk_list" in ways
    assert all([record["id"] for record in entry["content"]["answers"]] == [listed] for entry in found)
    assert verify(own_fleet.path("audit"), own_fleet.database).whole


def test_an_answer_that_cannot_be_recorded_does_not_leave(asking: httpx.Client, own_fleet: Workspace) -> None:
    device_id = _devices(own_fleet)[0]
    _block(own_fleet)
    refused = asking.post("/v1/failure-risk", json={"devices": [{"device_id": device_id}]})
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/audit-unavailable")
    assert "probability" not in refused.text


if __name__ == "__main__":
    _take(open_workspace(Path(sys.argv[1])))
