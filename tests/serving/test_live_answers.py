"""Questions that bring telemetry and events along: answered by the same views, refused record by record."""

from __future__ import annotations

from typing import Any

import httpx
import pandas as pd
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import Snapshot, snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot

HOUR = pd.Timedelta(hours=1)


@pytest.fixture(scope="module")
def fleet(fleet_workspace: Workspace) -> Snapshot:
    """Rows of the last scoring."""
    return load_snapshot(snapshot_path(fleet_workspace.folder, "failure"))


def _ask(client: httpx.Client, *devices: dict[str, Any], **more: Any) -> dict[str, Any]:
    answered = client.post("/v1/failure-risk", json={"devices": list(devices), **more})
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    records = frame.drop(columns="device_id").astype(object).where(frame.drop(columns="device_id").notna(), None)
    return [
        {str(name): value.isoformat() if isinstance(value, pd.Timestamp) else value for name, value in row.items()}
        for row in records.to_dict("records")
    ]


def _telemetry(workspace: Workspace, device_id: str, days: int, until: pd.Timestamp) -> list[dict[str, Any]]:
    rows = workspace.store.read("telemetry", device_ids=[device_id], known_at=until)
    return _rows(rows[rows["event_time"] > until - pd.Timedelta(days=days)])


def test_a_device_that_sends_what_is_stored_gets_the_answer_of_the_last_scoring(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    device_id = str(fleet.ids[0])
    sent = _telemetry(fleet_workspace, device_id, 30, fleet.cutoff)
    assert len(sent) > 300
    plain = _ask(client, {"device_id": device_id})["results"]
    again = _ask(client, {"device_id": device_id, "telemetry": sent})["results"]
    assert again == plain


def test_a_device_that_is_not_imported_is_judged_by_what_it_sends(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    """The copy of a device under another name differs from it only by counting twice in its cohort."""
    device_id = str(fleet.ids[0])
    facts = _rows(fleet_workspace.store.read("devices", device_ids=[device_id], known_at=fleet.cutoff))[-1]
    whole = {
        table: _rows(fleet_workspace.store.read(table, device_ids=[device_id], known_at=fleet.cutoff))
        for table in ("telemetry", "faults", "failures", "repairs")
    }
    asked = {"device_id": "never imported", "facts": facts, **whole}
    (copy,) = _ask(client, asked)["results"]
    (known,) = _ask(client, {"device_id": device_id})["results"]
    assert copy["refused_records"] == []
    assert (copy["evidence"], copy["missing_inputs"]) == (known["evidence"], known["missing_inputs"])
    assert copy["probability"] == pytest.approx(known["probability"], rel=0.5)
    assert copy["data_as_of"] == known["data_as_of"]


def test_newer_telemetry_moves_the_cutoff_to_when_it_became_known(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    device_id = str(fleet.ids[0])
    later = fleet.cutoff + 2 * HOUR
    last = _telemetry(fleet_workspace, device_id, 2, fleet.cutoff)[-1]
    row = {**last, "event_time": later.isoformat(), "available_at": later.isoformat()}
    (result,) = _ask(client, {"device_id": device_id, "telemetry": [row]})["results"]
    assert pd.Timestamp(result["cutoff"]) == later
    assert pd.Timestamp(result["data_as_of"]) == later
    assert pd.Timestamp(result["until"]) == later + pd.Timedelta(days=7)


def test_cells_of_one_instant_count_together_in_any_order_and_contradictions_are_told(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    device_id = str(fleet.ids[0])
    first, second = (sensor.name for sensor in fleet_workspace.fleet.sensors[:2])
    at = {"event_time": (fleet.cutoff + HOUR).isoformat()}
    parts = [{**at, first: 3.0}, {**at, second: 9.0}]
    whole, forth, back = (
        _ask(client, {"device_id": device_id, "telemetry": rows})["results"][0]
        for rows in ([{**at, first: 3.0, second: 9.0}], parts, parts[::-1])
    )
    assert whole["refused_records"] == []
    assert forth == back == whole
    contradiction = [{**at, first: 3.0, second: 9.0}, {**at, first: 4.0}]
    told = _ask(client, {"device_id": device_id, "telemetry": contradiction})["results"][0]
    assert [(each["row"], each["reason"]) for each in told["refused_records"]] == [(1, "conflicting_duplicate")]
    assert told["probability"] == whole["probability"]


def test_of_two_values_for_one_cell_the_same_one_stands_in_any_order(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    device_id, sensor = str(fleet.ids[0]), fleet_workspace.fleet.sensors[0].name
    at = {"event_time": (fleet.cutoff + HOUR).isoformat()}
    rows = [{**at, sensor: 3.0}, {**at, sensor: 4.0, "available_at": at["event_time"]}]
    forth, back = (
        _ask(client, {"device_id": device_id, "telemetry": sent})["results"][0] for sent in (rows, rows[::-1])
    )
    ((one,), (two,)) = forth.pop("refused_records"), back.pop("refused_records")
    assert one["reason"] == two["reason"] == "conflicting_duplicate"
    assert {one["row"], two["row"]} == {0, 1}
    assert forth == back


def test_a_reading_that_contradicts_the_stored_one_is_told_and_the_stored_one_stands(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    device_id, sensor = str(fleet.ids[0]), fleet_workspace.fleet.sensors[0].name
    stored = next(row for row in _telemetry(fleet_workspace, device_id, 30, fleet.cutoff) if row[sensor] is not None)
    (plain,) = _ask(client, {"device_id": device_id})["results"]
    changed = {**stored, sensor: stored[sensor] + 0.5}
    (told,) = _ask(client, {"device_id": device_id, "telemetry": [changed]})["results"]
    (refused,) = told.pop("refused_records")
    assert (refused["reason"], refused["row"], refused["cell_only"]) == ("conflicting_duplicate", 0, False)
    assert told == {name: value for name, value in plain.items() if name != "refused_records"}


def test_a_misspelt_field_is_told_once_and_the_rest_counts(client: httpx.Client, fleet: Snapshot) -> None:
    device_id = str(fleet.ids[0])
    at = [(fleet.cutoff + n * HOUR).isoformat() for n in range(1, 4)]
    rows = [{"event_time": moment, "current_a": 3.0, "vibratoin": 9.0} for moment in at]
    (told,) = _ask(client, {"device_id": device_id, "telemetry": rows})["results"]
    (refused,) = told["refused_records"]
    assert (refused["reason"], refused["row"], refused["column"]) == ("unknown_column", 0, "vibratoin")
    assert refused["cell_only"]
    plain = [{name: value for name, value in row.items() if name != "vibratoin"} for row in rows]
    (rest,) = _ask(client, {"device_id": device_id, "telemetry": plain})["results"]
    assert told["probability"] == rest["probability"]


def test_a_field_whose_name_is_none_is_told_without_it(client: httpx.Client, fleet: Snapshot) -> None:
    device_id, at = str(fleet.ids[0]), fleet.cutoff.isoformat()
    (told,) = _ask(client, {"device_id": device_id, "faults": [{"event_time": at, "code": "E", "<b>": 1}]})["results"]
    assert [(each["reason"], each["column"]) for each in told["refused_records"]] == [("unknown_column", "")]


def test_newer_facts_of_an_imported_device_count_without_saying_since_when(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    device_id = str(fleet.ids[0])
    facts = _rows(fleet_workspace.store.read("devices", device_ids=[device_id], known_at=fleet.cutoff))[-1]
    undated = {name: value for name, value in facts.items() if name != "available_at" and value is not None}
    renamed = {**undated, "device_model": "quite another model"}
    (known,) = _ask(client, {"device_id": device_id, "facts": undated})["results"]
    (other,) = _ask(client, {"device_id": device_id, "facts": renamed})["results"]
    (plain,) = _ask(client, {"device_id": device_id})["results"]
    assert known["probability"] == plain["probability"]
    assert other["refused_records"] == []
    usual = f"usual for model {facts['device_model']}"
    assert (usual in str(known["drivers"]), usual in str(other["drivers"])) == (True, False)


@pytest.mark.parametrize(
    ("changed", "judged"),
    [
        ({"installed_at": "2098-01-01T00:00:00Z"}, False),
        ({"retired_at": "2025-01-01T00:00:00Z"}, False),
        ({"retired_at": "2098-01-01T00:00:00Z"}, True),
    ],
)
def test_newer_facts_say_whether_a_device_is_in_the_field(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot, changed: dict[str, str], judged: bool
) -> None:
    device_id = str(fleet.ids[0])
    facts = _rows(fleet_workspace.store.read("devices", device_ids=[device_id], known_at=fleet.cutoff))[-1]
    undated = {name: value for name, value in facts.items() if name != "available_at" and value is not None}
    (result,) = _ask(client, {"device_id": device_id, "facts": {**undated, **changed}})["results"]
    assert (result["probability"] is not None) == judged
    assert (result["reason"] is None) == judged


def test_records_that_break_the_contract_are_refused_one_by_one_and_never_repeated(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    device_id, sensor = str(fleet.ids[0]), fleet_workspace.fleet.sensors[0].name
    at = [(fleet.cutoff + n * HOUR).isoformat() for n in range(4)]
    rows = [
        {"event_time": at[0], sensor: 1.0},
        {"event_time": at[1], sensor: 9.9e30},
        {"event_time": "sekret", sensor: 1.0},
        {sensor: 1.0},
    ]
    faults = [{"event_time": at[0]}]
    answered = client.post(
        "/v1/failure-risk", json={"devices": [{"device_id": device_id, "telemetry": rows, "faults": faults}]}
    )
    assert "sekret" not in answered.text
    assert "e+30" not in answered.text
    (result,) = answered.json()["results"]
    told = [(each["table"], each["row"], each["reason"], each["column"]) for each in result["refused_records"]]
    assert told == [
        ("faults", 0, "missing_value", "code"),
        ("telemetry", 1, "impossible_value", sensor),
        ("telemetry", 2, "unparsable", "event_time"),
        ("telemetry", 3, "missing_value", "event_time"),
    ]
    assert result["out_of_range_inputs"] == [sensor]
    assert result["probability"] is not None


def test_more_records_than_the_service_reads_are_refused(client: httpx.Client, fleet_workspace: Workspace) -> None:
    most = fleet_workspace.settings.serving.max_records
    rows = [{"code": "E"}] * (most + 1)
    refused = client.post("/v1/failure-risk", json={"devices": [{"device_id": "D", "faults": rows}]})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/too-many-records")


def test_readings_of_the_future_are_refused_and_a_device_of_the_future_is_not_in_the_field(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    device_id, sensor = str(fleet.ids[0]), fleet_workspace.fleet.sensors[0].name
    sent = {"device_id": device_id, "telemetry": [{"event_time": "2099-01-01T00:00:00Z", sensor: 1.0}]}
    new = {"device_id": "of tomorrow", "facts": {"device_model": "m", "installed_at": "2098-01-01T00:00:00Z"}}
    (result,), (newer,) = _ask(client, sent)["results"], _ask(client, new)["results"]
    assert [each["reason"] for each in result["refused_records"]] == ["available_in_future"]
    assert pd.Timestamp(result["cutoff"]) == fleet.cutoff
    assert newer["probability"] is None
    assert "not in the field" in newer["reason"]


@pytest.mark.parametrize(("hours", "named"), [(-1, True), (1, True), (-24 * 60, False)])
def test_impossible_values_are_named_where_they_lie_after_the_start_of_the_longest_window(
    client: httpx.Client, fleet_workspace: Workspace, fleet: Snapshot, hours: int, named: bool
) -> None:
    device_id, sensor = str(fleet.ids[0]), fleet_workspace.fleet.sensors[0].name
    row = {"event_time": (fleet.cutoff + hours * HOUR).isoformat(), sensor: 9.9e30}
    (result,) = _ask(client, {"device_id": device_id, "telemetry": [row]})["results"]
    assert [each["reason"] for each in result["refused_records"]] == ["impossible_value"]
    assert (sensor in result["out_of_range_inputs"]) == named


def test_records_are_taken_in_a_call_about_one_device(client: httpx.Client, fleet: Snapshot) -> None:
    asked = {"device_id": str(fleet.ids[0]), "faults": [{"event_time": fleet.cutoff.isoformat(), "code": "E"}]}
    for devices in ([asked, {"device_id": str(fleet.ids[1])}], [asked, asked]):
        refused = client.post("/v1/failure-risk", json={"devices": devices})
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/one-device-with-records")
        assert "call of its own" in refused.json()["hint"]


def test_an_unknown_device_without_facts_has_an_error(client: httpx.Client, fleet_workspace: Workspace) -> None:
    row = {"event_time": "2025-05-01T00:00:00Z", fleet_workspace.fleet.sensors[0].name: 1.0}
    (result,) = _ask(client, {"device_id": "nobody", "telemetry": [row]})["results"]
    assert (result["status"], result["error"]["code"]) == ("error", "unknown_device")


@pytest.mark.parametrize("written", ["{} ", "\n{}", "n/a"])
def test_an_id_with_spaces_around_it_is_no_imported_device(client: httpx.Client, fleet: Snapshot, written: str) -> None:
    """The checks trim ids: its records would count for the device without the spaces."""
    asked = {"device_id": written.format(fleet.ids[0]), "facts": {"device_model": "x"}}
    (result,) = _ask(client, asked)["results"]
    assert result["error"]["code"] == "unknown_device"
