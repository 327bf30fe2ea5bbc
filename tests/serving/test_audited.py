"""Every prediction that leaves the service, over whichever route, is in the audit log before it left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from aftercast.cli.main import run
from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.audit import export, newest_entries, verify


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
    return {record["id"]: record["probability"] for record in entry["content"]["records"]}


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
    kept = entry["content"]["records"]
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
    (record,) = _newest(own_fleet)["content"]["records"]
    assert record["id"] == device_id
    assert record["probabilities"] == {each["horizon"]: each["probability"] for each in risk["horizons"]}


def test_a_risk_list_is_on_record_with_each_of_its_rows(asking: httpx.Client, own_fleet: Workspace) -> None:
    made = asking.get("/v1/risk-list", params={"top": 5}).json()
    entry = _newest(own_fleet)
    assert (entry["event"], entry["content"]["list_id"]) == ("risk_list", made["list_id"])
    assert _figures(entry) == {row["device_id"]: row["probability"] for row in made["rows"]}


def test_a_list_of_the_command_line_is_on_record_too(own_fleet: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(["risk-list", "--top", "3", "--json", "--workspace", str(own_fleet.folder)])
    entry = _newest(own_fleet)
    assert entry["content"]["by"] == "command line"
    assert entry["content"]["list_id"] in capsys.readouterr().out
    assert len(entry["content"]["records"]) == 3


def test_an_export_of_a_device_has_every_way_it_was_answered(asking: httpx.Client, own_fleet: Workspace) -> None:
    listed = asking.get("/v1/risk-list", params={"top": 2}).json()["rows"][0]["device_id"]
    asking.post("/v1/failure-risk", json={"devices": [{"device_id": each} for each in _devices(own_fleet)[:9]]})
    asking.post("/v1/failure-risk", json={"devices": [{"device_id": listed}]})
    asking.get(f"/v1/devices/{listed}")
    found = list(export(own_fleet.path("audit"), device_id=listed))
    ways = [entry["event"] for entry in found if "by" not in entry["content"]]
    assert ways[-3:].count("prediction") >= 2
    assert "risk_list" in ways
    assert all([record["id"] for record in entry["content"]["records"]] == [listed] for entry in found)
    assert verify(own_fleet.path("audit"), own_fleet.database).whole


def test_an_answer_that_cannot_be_recorded_does_not_leave(asking: httpx.Client, own_fleet: Workspace) -> None:
    """The newest segment is replaced by a folder, which nobody can append to, not even root."""
    device_id, audit = _devices(own_fleet)[0], own_fleet.path("audit")
    for segment in audit.glob("*.jsonl"):
        segment.rename(segment.with_suffix(".kept"))
    (audit / "000001.jsonl").mkdir()
    refused = asking.post("/v1/failure-risk", json={"devices": [{"device_id": device_id}]})
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:aftercast:problem:audit-unavailable")
    assert "probability" not in refused.text
