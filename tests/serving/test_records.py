"""Records over HTTP: taken for good, stored by the next drain, and the service answers from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from filelock import Timeout
from sqlalchemy import update
from typer.testing import CliRunner

from aftercast.cli.main import app
from aftercast.data.workspace import Workspace
from aftercast.models.registry.versions import load_champion
from aftercast.models.scoring.fleet import check_features
from aftercast.models.scoring.snapshot import snapshot_path, take_snapshot
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.clocks import from_us, timestamp_us
from aftercast.operations.database.inbox import INBOX, InboxBatch, count_waiting, put_batch
from aftercast.pipelines import online
from aftercast.pipelines.drain import MOST_TOLD, run_drain
from aftercast.pipelines.score import run_score
from aftercast.serving.errors import ProblemError
from aftercast.serving.intake import take_records
from aftercast.serving.principals import Caller

HOUR = pd.Timedelta(hours=1)
Listening = Callable[[Workspace], AbstractContextManager[str]]


@pytest.fixture
def sending(
    own_fleet: Workspace, listening: Listening, client_of: Callable[..., httpx.Client]
) -> Iterator[httpx.Client]:
    """Client that may bring records and ask, of a service on a workspace the test may change."""
    with listening(own_fleet) as url, client_of(url, own_fleet, "ingest", "predict") as client:
        yield client


def _until(workspace: Workspace) -> pd.Timestamp:
    until = workspace.store.observed_until()
    assert until is not None
    return until


def _send(client: httpx.Client, table: str, records: list[dict[str, Any]], **headers: str) -> httpx.Response:
    return client.post("/v1/records", json={"table": table, "records": records}, headers=headers)


def _reading(workspace: Workspace, device_id: str, at: pd.Timestamp, value: float = 1.0) -> dict[str, Any]:
    sensors = {sensor.name: value for sensor in workspace.fleet.sensors}
    return {"device_id": device_id, "event_time": at.isoformat(), "available_at": at.isoformat(), **sensors}


def test_records_are_taken_stored_by_the_drain_and_answered_from(sending: httpx.Client, own_fleet: Workspace) -> None:
    before = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    device_id, later = str(before.ids[0]), _until(own_fleet) + 3 * HOUR
    reading = {**_reading(own_fleet, device_id, later), own_fleet.fleet.sensors[0].name: None}
    taken = _send(sending, "telemetry", [reading])
    assert (taken.status_code, taken.json()["received"], taken.json()["wrong"]) == (202, 1, [])
    assert _until(own_fleet) < later
    assert count_waiting(own_fleet.database).rows == 1
    report = run_drain(own_fleet)
    assert (report["batches"], report["kept"], report["renewed"]) == (1, 1, 1)
    assert count_waiting(own_fleet.database).rows == 0
    assert _until(own_fleet) == later
    after = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    row = after.of([device_id])
    assert row.cutoff_us[0] == later.value // 1000
    assert row.features["telemetry_age_hours"].iloc[0] == 0
    assert after.cutoff == before.cutoff
    others = [str(each) for each in before.ids[1:]]
    pd.testing.assert_frame_equal(after.of(others).features, before.of(others).features)


def test_online_rows_are_those_of_a_batch_at_their_cutoff(sending: httpx.Client, own_fleet: Workspace) -> None:
    """Where every device sends, the rows are equal to the bit, cohort columns included."""
    before = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    later = _until(own_fleet) + HOUR
    sent = [_reading(own_fleet, str(each), later, value=1.0 + i) for i, each in enumerate(before.ids)]
    taken = _send(sending, "telemetry", sent)
    assert taken.status_code == 202, taken.text
    run_drain(own_fleet)
    online = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    batch = take_snapshot(own_fleet.store, own_fleet.fleet, "failure", later)
    renewed = online.of(list(batch.ids))
    assert (renewed.cutoff_us == later.value // 1000).all()
    assert list(renewed.ids) == list(batch.ids)
    for name in batch.features.columns:
        left, right = (np.asarray(each.features[name].astype(object)) for each in (renewed, batch))
        assert pd.Series(left).equals(pd.Series(right)), name
    loaded = load_champion(own_fleet, "failure")
    check_features(loaded, online)
    expected = loaded.model.predict(batch.features)
    kept = renewed.judged[loaded.run_id].risks
    assert (kept.probability == expected.probability).all()


def test_customers_are_renewed_by_their_contacts_and_by_the_repairs_of_their_devices(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    before = load_snapshot(snapshot_path(own_fleet.folder, "churn"))
    devices = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    owned = next(i for i, each in enumerate(devices.customer_id) if each in set(before.ids))
    device_id, owner = str(devices.ids[owned]), str(devices.customer_id[owned])
    caller = next(str(each) for each in before.ids if each != owner)
    later = _until(own_fleet) + HOUR
    known = {"event_time": later.isoformat(), "available_at": later.isoformat()}
    contact = {"contact_id": "c-new", "customer_id": caller, "channel": "phone", "kind": "complaint", **known}
    opened = {"opened_at": later.isoformat(), "available_at": later.isoformat()}
    repair = {"work_order_id": "w-new", "device_id": device_id, "kind": "corrective", **opened}
    assert _send(sending, "contacts", [contact]).json()["wrong"] == []
    assert _send(sending, "repairs", [repair]).json()["wrong"] == []
    assert run_drain(own_fleet)["renewed_customers"] == 2
    online = load_snapshot(snapshot_path(own_fleet.folder, "churn"))
    batch = take_snapshot(own_fleet.store, own_fleet.fleet, "churn", later).of([owner, caller])
    renewed = online.of([owner, caller])
    assert (renewed.cutoff_us == later.value // 1000).all()
    pd.testing.assert_frame_equal(renewed.features, batch.features, check_categorical=False, check_exact=True)
    assert not renewed.features.equals(before.of([owner, caller]).features)
    others = [str(each) for each in before.ids if each not in {owner, caller}]
    pd.testing.assert_frame_equal(online.of(others).features, before.of(others).features)


def test_telemetry_renews_no_customer(sending: httpx.Client, own_fleet: Workspace) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    _send(sending, "telemetry", [_reading(own_fleet, device_id, _until(own_fleet) + HOUR)])
    report = run_drain(own_fleet)
    assert (report["renewed"], report["renewed_customers"]) == (1, 0)


def test_records_without_available_at_became_known_when_they_were_received(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    """Late telemetry must not look as if it had been known when it was measured."""
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    at = _until(own_fleet) - HOUR / 2
    reading = {name: v for name, v in _reading(own_fleet, device_id, at).items() if name != "available_at"}
    taken = _send(sending, "telemetry", [reading]).json()
    run_drain(own_fleet)
    rows = own_fleet.store.read("telemetry", device_ids=[device_id])
    stored = rows[rows["event_time"] == at]
    assert list(stored["available_at"]) == [pd.Timestamp(taken["received_at"])]


def test_what_was_received_without_available_at_is_in_the_answer_after_the_next_drain(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    """It happened before it was known: a cutoff at the end of the data would leave it out."""
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    happened = (pd.Timestamp.now("UTC") - pd.Timedelta(seconds=5)).isoformat()
    for table, what in (("failures", {"component": "motor"}), ("faults", {"code": "E-MOTOR"})):
        assert _send(sending, table, [{"device_id": device_id, "event_time": happened, **what}]).status_code == 202
    run_drain(own_fleet)
    row = load_snapshot(snapshot_path(own_fleet.folder, "failure")).of([device_id])
    assert row.features["motor_age_hours"].iloc[0] < 1
    assert row.features["E-MOTOR_count_24h"].iloc[0] == 1
    assert row.data_as_of[0] <= row.cutoff_us[0]
    batch = take_snapshot(own_fleet.store, own_fleet.fleet, "failure", from_us(row.cutoff_us)[0]).of([device_id])
    assert batch.features["motor_age_hours"].equals(row.features["motor_age_hours"])


def test_a_scoring_of_an_earlier_cutoff_takes_back_nothing_that_was_drained(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    path = snapshot_path(own_fleet.folder, "failure")
    before = load_snapshot(path)
    first, retiring = (str(each) for each in before.ids[:2])
    later = _until(own_fleet) + HOUR
    facts = own_fleet.store.read("devices", device_ids=[retiring]).iloc[-1].dropna()
    standing = {str(name): v.isoformat() if isinstance(v, pd.Timestamp) else v for name, v in facts.items()}
    retired = {**standing, "retired_at": later.isoformat(), "available_at": later.isoformat()}
    _send(sending, "telemetry", [_reading(own_fleet, first, later, value=7.0)])
    _send(sending, "devices", [retired])
    run_drain(own_fleet)
    drained = load_snapshot(path)
    run_score(own_fleet)
    scored = load_snapshot(path)
    assert timestamp_us(scored.cutoff) < timestamp_us(later)
    assert scored.data_version > before.data_version
    row = scored.of([first])
    assert row.cutoff_us[0] == timestamp_us(later)
    sensor = own_fleet.fleet.sensors[0].name
    assert row.features[f"{sensor}_last"].iloc[0] == 7.0 == drained.of([first]).features[f"{sensor}_last"].iloc[0]
    assert retiring not in scored.ids
    assert set(scored.ids) == set(before.ids) - {retiring}
    assert (scored.of([str(each) for each in before.ids[2:]]).cutoff_us == timestamp_us(scored.cutoff)).all()
    answered = sending.post("/v1/failure-risk", json={"devices": [{"device_id": first}]}).json()
    assert load_champion(own_fleet, "failure").run_id in scored.judged
    assert answered["results"][0]["probability"] is not None


def test_a_scoring_that_comes_up_to_them_puts_all_on_one_cutoff_again(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    path = snapshot_path(own_fleet.folder, "failure")
    ids = [str(each) for each in load_snapshot(path).ids]
    _send(sending, "telemetry", [_reading(own_fleet, ids[0], _until(own_fleet) + HOUR)])
    _send(sending, "telemetry", [_reading(own_fleet, ids[1], _until(own_fleet) + 80 * HOUR)])
    run_drain(own_fleet)
    run_score(own_fleet, cutoff=_until(own_fleet))
    scored = load_snapshot(path)
    assert (scored.cutoff_us == timestamp_us(_until(own_fleet))).all()


def test_what_is_wrong_is_told_and_goes_to_quarantine_while_the_rest_is_stored(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    at = _until(own_fleet) + HOUR
    good, stranger = _reading(own_fleet, device_id, at), _reading(own_fleet, "nobody", at)
    impossible = {**_reading(own_fleet, device_id, at + HOUR), own_fleet.fleet.sensors[0].name: 1e30}
    answered = _send(sending, "telemetry", [good, stranger, impossible])
    told = [(each["row"], each["reason"], each["cell_only"]) for each in answered.json()["wrong"]]
    assert told == [(1, "unknown_device", False), (2, "impossible_value", True)]
    assert "1e+30" not in answered.text
    report = run_drain(own_fleet)
    assert (report["read"], report["kept"]) == (3, 2)
    kept = own_fleet.store.quarantine()
    mine = kept[kept["origin"].str.startswith("inbox:")]
    assert sorted(mine["reason"]) == ["impossible_value", "unknown_device"]
    assert run_drain(own_fleet)["batches"] == 0


def test_a_device_and_then_its_telemetry_are_stored_in_any_order_of_calls(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    at = _until(own_fleet) + HOUR
    early = _send(sending, "telemetry", [_reading(own_fleet, "brand-new", at)])
    assert [each["reason"] for each in early.json()["wrong"]] == ["unknown_device"]
    known = (at - 2 * HOUR).isoformat()
    device = {"device_id": "brand-new", "device_model": "x", "installed_at": known, "available_at": known}
    assert _send(sending, "devices", [device]).json()["wrong"] == []
    report = run_drain(own_fleet)
    assert (report["kept"], report["quarantined"]) == (2, 0)
    assert "brand-new" in set(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids)


def test_the_same_idempotency_key_adds_nothing_and_other_records_under_it_are_refused(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    reading = _reading(own_fleet, device_id, _until(own_fleet) + HOUR)
    first, again = (_send(sending, "telemetry", [reading], **{"Idempotency-Key": "k"}).json() for _ in range(2))
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert first["batch_id"] == again["batch_id"]
    other = _send(sending, "telemetry", [{**reading, "event_time": "2025-01-01T00:00:00Z"}], **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/idempotency-key-reused")
    assert count_waiting(own_fleet.database).batches == 1


def test_a_request_sent_again_gets_its_first_result_although_the_clock_and_the_store_went_on(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    """A device was unknown and an instant lay in the future when the request first came."""
    at = _until(own_fleet) + HOUR
    records = [_reading(own_fleet, "brand-new", at), _reading(own_fleet, "brand-new", at + 400 * 24 * HOUR)]
    records[1]["available_at"] = (pd.Timestamp.now("UTC") + pd.Timedelta(days=400)).isoformat()
    first = _send(sending, "telemetry", records, **{"Idempotency-Key": "k"}).json()
    assert (first["received"], [each["reason"] for each in first["wrong"]]) == (
        1,
        ["unknown_device", "available_in_future"],
    )
    known = (at - 2 * HOUR).isoformat()
    _send(
        sending,
        "devices",
        [{"device_id": "brand-new", "device_model": "x", "installed_at": known, "available_at": known}],
    )
    run_drain(own_fleet)
    again = _send(sending, "telemetry", records, **{"Idempotency-Key": "k"}).json()
    assert again == {**first, "repeated": True}


def test_the_state_of_a_batch_can_be_asked_by_who_sent_it(
    sending: httpx.Client, own_fleet: Workspace, client_of: Callable[..., httpx.Client]
) -> None:
    good = _reading(own_fleet, str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0]), _until(own_fleet))
    taken = _send(sending, "telemetry", [good, {**good, "device_id": "nobody"}]).json()
    path = f"/v1/records/{taken['batch_id']}"
    waiting = sending.get(path).json()
    assert (waiting["state"], waiting["received"], waiting["drained_at"]) == ("waiting", 2, None)
    assert [each["reason"] for each in waiting["wrong"]] == ["unknown_device"]
    run_drain(own_fleet)
    stored = sending.get(path).json()
    assert stored["state"] == "stored"
    assert pd.Timestamp(stored["drained_at"]) >= pd.Timestamp(stored["received_at"])
    with client_of(str(sending.base_url), own_fleet, "ingest") as other:
        assert [other.get(each).status_code for each in (path, "/v1/records/nothing")] == [404, 404]


def test_a_batch_that_the_drain_could_not_read_is_refused(sending: httpx.Client, own_fleet: Workspace) -> None:
    batch_id = _send(sending, "telemetry", [{"colour": "red"}]).json()["batch_id"]
    run_drain(own_fleet)
    assert sending.get(f"/v1/records/{batch_id}").json()["state"] == "refused"


def test_a_caller_limited_to_outlets_sends_nothing(own_fleet: Workspace) -> None:
    """Keys of this kind are refused when they are made; a token, or an admin's key, may come with outlets."""
    caller = Caller("token:a", "a", ("ingest",), frozenset({"N1"}), None, "token")
    with pytest.raises(ProblemError, match="limited to outlets") as refused:
        take_records(own_fleet, "faults", [{"code": "E"}], caller)
    assert refused.value.problem.status == 403
    assert count_waiting(own_fleet.database).batches == 0


def test_a_drain_that_died_before_it_was_recorded_stores_nothing_twice(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    taken = _send(sending, "telemetry", [_reading(own_fleet, device_id, _until(own_fleet) + HOUR)])
    run_drain(own_fleet)
    before = own_fleet.store.tables()
    _wait_again(own_fleet, taken.json()["batch_id"])
    assert run_drain(own_fleet)["kept"] == 0
    assert own_fleet.store.tables() == before


def _wait_again(workspace: Workspace, batch_id: str) -> None:
    with workspace.database.begin() as connection:
        connection.execute(update(INBOX).where(INBOX.c.batch_id == batch_id).values(drained_at=None))


def test_a_drain_that_ended_before_it_renewed_leaves_that_to_the_next_one(
    sending: httpx.Client, own_fleet: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records are stored and no longer wait; nobody else would know that the answers are old."""
    path = snapshot_path(own_fleet.folder, "failure")
    device_id, later = str(load_snapshot(path).ids[0]), _until(own_fleet) + HOUR
    _send(sending, "telemetry", [_reading(own_fleet, device_id, later)])
    monkeypatch.setattr(online, "PATIENCE_S", 0.1)
    with online.online_lock(own_fleet), pytest.raises(Timeout):  # somebody else replaces the rows, for too long
        run_drain(own_fleet)
    assert count_waiting(own_fleet.database).rows == 0
    assert load_snapshot(path).of([device_id]).cutoff_us[0] != timestamp_us(later)
    assert run_drain(own_fleet)["renewed"] == 1
    assert load_snapshot(path).of([device_id]).cutoff_us[0] == timestamp_us(later)
    assert run_drain(own_fleet)["renewed"] == 0


def test_records_of_the_future_and_times_without_a_zone_are_not_taken(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    ahead = pd.Timestamp.now("UTC") + pd.Timedelta(days=400)
    good = _reading(own_fleet, device_id, _until(own_fleet) + HOUR)
    answered = _send(sending, "telemetry", [_reading(own_fleet, device_id, ahead), good])
    assert [each["reason"] for each in answered.json()["wrong"]] == ["available_in_future"]
    assert answered.json()["received"] == 1
    naive = _send(sending, "telemetry", [{**good, "event_time": "2025-01-01T00:00"}])
    assert (naive.status_code, naive.json()["type"]) == (422, "/problems/nothing-readable")
    assert count_waiting(own_fleet.database).rows == 1


def test_a_batch_that_cannot_be_read_does_not_hold_up_the_others(own_fleet: Workspace) -> None:
    now = pd.Timestamp.now("UTC")
    at = _until(own_fleet) + HOUR
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    bad = ({"colour": "red", "available_at": now.isoformat()},)
    put_batch(own_fleet.database, InboxBatch("bad", "telemetry", bad, now))
    put_batch(own_fleet.database, InboxBatch("good", "telemetry", (_reading(own_fleet, device_id, at),), now))
    report = run_drain(own_fleet)
    assert (report["batches"], report["kept"], report["refused"]) == (2, 1, 1)
    assert [(each["batch_id"], each["table"]) for each in report["refusals"]] == [("bad", "telemetry")]
    assert count_waiting(own_fleet.database).batches == 0


def test_the_drain_says_of_every_refused_batch_which_and_why(
    sending: httpx.Client, own_fleet: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    batch_id = _send(sending, "telemetry", [{"colour": "red"}]).json()["batch_id"]
    shown = CliRunner().invoke(app, ["drain", "-w", str(own_fleet.folder)])
    assert "1 batch, 1 record: 0 stored" in shown.stdout
    assert "1 batch could not be read at all; it stays in the inbox, marked as refused." in shown.stderr
    assert f"{batch_id} (telemetry): " in shown.stderr
    for number in range(MOST_TOLD + 1):
        batch = InboxBatch(f"bad{number:02d}", "telemetry", ({"colour": "red"},), pd.Timestamp.now("UTC"))
        put_batch(own_fleet.database, batch)
    report = run_drain(own_fleet)
    assert (report["refused"], len(report["refusals"])) == (MOST_TOLD + 1, MOST_TOLD)
    assert f"batch bad{MOST_TOLD} of telemetry cannot be read: " in caplog.text


def test_an_attribute_that_no_import_brought_is_left_out_and_told_and_scoring_goes_on(
    sending: httpx.Client, own_fleet: Workspace
) -> None:
    """As a feature it would fit no champion; one that is known already is taken."""
    row = own_fleet.store.read("devices").iloc[0].dropna()
    facts = {str(name): value.isoformat() if isinstance(value, pd.Timestamp) else value for name, value in row.items()}
    later = (_until(own_fleet) + HOUR).isoformat()
    sent = {**facts, "available_at": later, "firmware": "9.9", "colour": "red"}
    taken = _send(sending, "devices", [sent])
    assert taken.status_code == 202, taken.text
    told = [(each["row"], each["reason"], each["cell_only"]) for each in taken.json()["wrong"]]
    assert told == [(0, "unknown_column", True)]
    assert "colour" not in taken.text
    assert run_drain(own_fleet)["kept"] == 1
    stored = own_fleet.store.read("devices", device_ids=[str(row["device_id"])])
    assert stored["firmware"].iloc[-1] == "9.9"
    assert "colour" not in stored.columns
    run_score(own_fleet)


def test_a_key_without_the_scope_brings_nothing(client_of: Any, own_fleet: Workspace, listening: Listening) -> None:
    with listening(own_fleet) as url, client_of(url, own_fleet, "predict", "lists") as client:
        assert _send(client, "faults", [{"code": "E"}]).status_code == 403
