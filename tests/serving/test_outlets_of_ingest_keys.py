"""What a key of one outlet may bring: records of its own devices, however ids are written and whoever they name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import pandas as pd
import pytest

from aftercast.data.contract import TABLES
from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.inbox import count_waiting, waiting_batches
from aftercast.operations.database.keys import create_key
from aftercast.pipelines.drain import run_drain

HOUR = pd.Timedelta(hours=1)
Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., AbstractContextManager[httpx.Client]]


@dataclass
class Outlet:
    """A key that brings and asks for one outlet, and what the fleet has of this and of other outlets."""

    client: httpx.Client
    everyone: httpx.Client
    workspace: Workspace
    devices: pd.DataFrame
    outlet_id: str

    @property
    def own(self) -> pd.Series:
        """Last facts of a device of this outlet, which has an owner."""
        return self._some(self.devices["outlet_id"] == self.outlet_id)

    @property
    def foreign(self) -> pd.Series:
        """Last facts of a device of another outlet, whose owner has no device of this one."""
        owners = set(self.devices.loc[self.devices["outlet_id"] == self.outlet_id, "customer_id"].dropna())
        return self._some((self.devices["outlet_id"] != self.outlet_id) & ~self.devices["customer_id"].isin(owners))

    def _some(self, which: pd.Series) -> pd.Series:
        return self.devices[which & self.devices["customer_id"].notna()].iloc[0]

    @property
    def later(self) -> pd.Timestamp:
        """An instant after the data's end."""
        until = self.workspace.store.observed_until()
        assert until is not None
        return until + HOUR

    def send(self, table: str, *records: dict[str, Any]) -> httpx.Response:
        """Bring records with the key of the outlet."""
        return self.client.post("/v1/records", json={"table": table, "records": list(records)})


@pytest.fixture
def outlet(own_fleet: Workspace, listening: Listening, client_of: ClientOf) -> Iterator[Outlet]:
    devices = own_fleet.store.read("devices").drop_duplicates("device_id", keep="last")
    outlet_id = str(sorted(devices["outlet_id"].dropna().unique())[0])
    _, key = create_key(own_fleet.database, "outlet", ["predict", "ingest"], outlets=[outlet_id])
    with (
        listening(own_fleet) as url,
        client_of(url, own_fleet, "predict", "ingest") as everyone,
        httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60.0) as client,
    ):
        yield Outlet(client, everyone, own_fleet, devices, outlet_id)


def _facts(device: pd.Series, later: pd.Timestamp, **other: Any) -> dict[str, Any]:
    known = {str(k): v.isoformat() if isinstance(v, pd.Timestamp) else v for k, v in device.dropna().items()}
    return {**known, "available_at": later.isoformat(), **other}


def _refusals(answer: httpx.Response) -> list[tuple[int, str, str]]:
    assert answer.status_code == 202, answer.text
    return [(each["row"], each["reason"], each["column"]) for each in answer.json()["wrong"]]


@pytest.mark.parametrize("written", ["{}", "{} ", "\t{}", "{}\u00a0", "{}\n"])
def test_a_device_of_another_outlet_is_not_taken_over_however_its_id_is_written(outlet: Outlet, written: str) -> None:
    device_id = str(outlet.foreign["device_id"])
    taken_over = _facts(outlet.foreign, outlet.later, device_id=written.format(device_id), outlet_id=outlet.outlet_id)
    del taken_over["customer_id"]
    assert outlet.send("devices", taken_over).status_code == 409
    reading = {"device_id": written.format(device_id), "event_time": outlet.later.isoformat(), "code": "E1"}
    assert outlet.send("faults", reading).status_code == 409
    assert count_waiting(outlet.workspace.database).rows == 0


def test_own_devices_are_brought_and_changed_and_stay_with_the_outlet(outlet: Outlet) -> None:
    own, later = outlet.own, outlet.later
    new = {"device_id": "brand-new", "device_model": str(own["device_model"]), "installed_at": later.isoformat()}
    dated = {"available_at": later.isoformat(), "customer_id": str(own["customer_id"])}
    records = [
        _facts(own, later, firmware="9.9"),
        {**new, **dated, "outlet_id": f" {outlet.outlet_id} "},
        {**new, **dated, "outlet_id": "elsewhere", "device_id": "another"},
        {**new, **dated, "device_id": "no outlet"},
        _facts(own, later, outlet_id="elsewhere"),
    ]
    answer = outlet.send("devices", *records)
    assert _refusals(answer) == [(row, "unknown_device", "device_id") for row in (2, 3, 4)]
    run_drain(outlet.workspace)
    stored = outlet.workspace.store.read("devices", device_ids=[str(own["device_id"]), "brand-new", "another"])
    last = stored.drop_duplicates("device_id", keep="last").set_index("device_id")
    assert set(last["outlet_id"]) == {outlet.outlet_id}
    assert set(last.index) == {str(own["device_id"]), "brand-new"}
    asked = {"devices": [{"device_id": "brand-new"}]}
    assert _until(outlet.client, asked, lambda result: result["status"] == "answered")[0]["status"] == "answered"


def test_a_device_that_waits_for_another_outlet_is_not_taken_over(outlet: Outlet) -> None:
    own, later = outlet.own, outlet.later
    device = {"device_id": "brand-new", "device_model": str(own["device_model"]), "installed_at": later.isoformat()}
    theirs = {**device, "available_at": later.isoformat(), "outlet_id": "elsewhere"}
    brought = outlet.everyone.post("/v1/records", json={"table": "devices", "records": [theirs]})
    assert brought.status_code == 202
    claimed = {**theirs, "available_at": (later + HOUR).isoformat(), "outlet_id": outlet.outlet_id}
    assert outlet.send("devices", claimed).status_code == 409


@pytest.mark.parametrize("table", ["devices", "repairs", "purchases"])
def test_records_without_ids_that_wait_stop_nobody(outlet: Outlet, table: str) -> None:
    at = outlet.later.isoformat()
    broken = {"outlet_id": "elsewhere", "available_at": at}
    assert outlet.everyone.post("/v1/records", json={"table": table, "records": [broken]}).status_code == 202
    own = {"device_id": "brand-new", "device_model": str(outlet.own["device_model"]), "installed_at": at}
    records: dict[str, dict[str, Any]] = {
        "devices": {**own, "outlet_id": outlet.outlet_id},
        "repairs": {
            "work_order_id": "W",
            "device_id": str(outlet.own["device_id"]),
            "opened_at": at,
            "kind": "corrective",
        },
        "purchases": {
            "customer_id": str(outlet.own["customer_id"]),
            "device_id": str(outlet.own["device_id"]),
            "event_time": at,
            "amount": 1.0,
        },
    }
    assert _refusals(outlet.send(table, {**records[table], "available_at": at})) == []


@pytest.mark.parametrize("table", ["repairs", "contacts", "purchases", "actions"])
def test_records_about_devices_of_others_are_not_rewritten(outlet: Outlet, table: str) -> None:
    """Their key is not that of a device: a correction that names a device of one's own would be taken for theirs."""
    later = outlet.later
    at, key = later.isoformat(), "W 1"
    fields: dict[str, dict[str, Any]] = {
        "repairs": {"work_order_id": key, "opened_at": at, "kind": "corrective"},
        "contacts": {"contact_id": key, "event_time": at, "kind": "complaint"},
        "purchases": {"event_time": at, "amount": 1.0},
        "actions": {"action_id": key, "decided_at": at, "kind": "visit", "arm": "treated"},
    }
    known = {**fields[table], "available_at": at}
    same = str(outlet.own["customer_id"])
    theirs = {**known, "device_id": str(outlet.foreign["device_id"])}
    if table != "repairs":
        theirs["customer_id"] = same
    brought = outlet.everyone.post("/v1/records", json={"table": table, "records": [theirs]})
    assert (brought.status_code, brought.json()["wrong"]) == (202, [])
    rewritten = {**theirs, "device_id": str(outlet.own["device_id"]), "available_at": (later + HOUR).isoformat()}
    if table != "purchases":
        rewritten |= {name: " W 1 " for name, value in theirs.items() if value == key}
    assert outlet.send(table, rewritten).status_code == 409  # while theirs waits
    run_drain(outlet.workspace)
    assert outlet.send(table, rewritten).status_code == 409  # when it is stored
    own = (
        {**rewritten, "event_time": (later + HOUR / 2).isoformat()}
        if table == "purchases"
        else {name: "W 2" if value == " W 1 " else value for name, value in rewritten.items()}
    )
    both = outlet.send(table, rewritten, own)
    assert [(row, reason) for row, reason, _ in _refusals(both)] == [(0, "known_elsewhere")]
    run_drain(outlet.workspace)
    corrected = {**own, "available_at": (later + 3 * HOUR).isoformat()}
    assert _refusals(outlet.send(table, corrected)) == []
    run_drain(outlet.workspace)
    rows = outlet.workspace.store.read(table)
    last = rows.drop_duplicates(list(TABLES[table].key), keep="last")
    assert later in set(last.loc[last["device_id"] == theirs["device_id"], "available_at"])
    assert later + HOUR in set(last.loc[last["device_id"] == own["device_id"], "available_at"])


def test_a_customer_of_others_is_not_made_ones_own(outlet: Outlet) -> None:
    customer_id = str(outlet.foreign["customer_id"])
    claimed = _facts(outlet.own, outlet.later, customer_id=f"{customer_id} ")
    assert outlet.send("devices", claimed).status_code == 409
    run_drain(outlet.workspace)
    asked = outlet.client.post("/v1/churn-risk", json={"customers": [{"customer_id": customer_id}]}).json()
    assert asked["results"][0]["error"]["code"] == "unknown_customer"


def test_what_others_have_is_as_unknown_as_what_does_not_exist(outlet: Outlet) -> None:
    own, foreign, at = outlet.own, outlet.foreign, outlet.later.isoformat()
    good = {"device_id": str(own["device_id"]), "event_time": at, "code": "E1"}
    told = []
    for device_id, customer_id in (
        (str(foreign["device_id"]), str(foreign["customer_id"])),
        ("no such device", "no such customer"),
    ):
        contact = {
            "contact_id": "c-new",
            "customer_id": customer_id,
            "device_id": good["device_id"],
            "kind": "question",
        }
        mine = {**contact, "contact_id": "c-own", "customer_id": str(own["customer_id"]), "event_time": at}
        told.append(
            [
                _refusals(outlet.send("faults", good, {**good, "device_id": device_id})),
                _refusals(outlet.send("faults", good, {"device_id": device_id, "event_time": "no time", "code": "E1"})),
                _refusals(outlet.send("contacts", mine, {**contact, "event_time": at})),
            ]
        )
    assert told[0] == told[1]
    assert told[0] == [
        [(1, "unknown_device", "device_id")],
        [(1, "unparsable", "event_time")],
        [(1, "unknown_customer", "customer_id")],
    ]


@pytest.mark.parametrize(
    "flaw",
    [
        {"customer_id": "nobody"},
        {"available_at": "2199-01-01T00:00:00Z"},
        {"installed_at": "2024-01-01T00:00"},
        {"device_model": None},
    ],
    ids=["customer", "future", "no zone", "no model"],
)
def test_a_broken_record_does_not_tell_whether_a_device_exists(outlet: Outlet, flaw: dict[str, Any]) -> None:
    own = _facts(outlet.own, outlet.later, firmware="9.9")
    told = []
    for device_id in (str(outlet.foreign["device_id"]), "no such device"):
        row = {**_facts(outlet.own, outlet.later), "device_id": device_id, **flaw}
        answer = outlet.send("devices", own, row)
        told.append((_refusals(answer), answer.json()["received"]))
    assert told[0] == told[1]
    assert len(told[0][0]) == 1


def test_a_work_order_of_the_future_does_not_tell_whether_its_number_is_taken(outlet: Outlet) -> None:
    repairs = outlet.workspace.store.read("repairs")
    taken = str(repairs.loc[repairs["device_id"] != outlet.own["device_id"], "work_order_id"].iloc[0])
    own = {"device_id": str(outlet.own["device_id"]), "opened_at": outlet.later.isoformat(), "kind": "corrective"}
    good = {**own, "work_order_id": "W", "available_at": outlet.later.isoformat()}
    future = {**own, "available_at": "2199-01-01T00:00:00Z"}
    told = [_refusals(outlet.send("repairs", good, {**future, "work_order_id": each})) for each in (taken, "free")]
    assert told[0] == told[1] == [(1, "available_in_future", "available_at")]


def test_a_device_that_waits_to_move_away_is_not_taken_back(outlet: Outlet) -> None:
    moved = {"table": "devices", "records": [_facts(outlet.own, outlet.later, outlet_id="elsewhere")]}
    assert outlet.everyone.post("/v1/records", json=moved).status_code == 202
    assert outlet.send("devices", _facts(outlet.own, outlet.later + HOUR, firmware="9.9")).status_code == 409


def test_of_two_outlets_that_claim_a_new_device_at_once_one_has_it(outlet: Outlet) -> None:
    device = {"device_model": str(outlet.own["device_model"]), "installed_at": outlet.later.isoformat()}
    _, key = create_key(outlet.workspace.database, "other", ["ingest"], outlets=["elsewhere"])

    def claim(name: str, outlet_id: str, headers: dict[str, str]) -> int:
        row = {**device, "device_id": name, "outlet_id": outlet_id, "available_at": outlet.later.isoformat()}
        body = {"table": "devices", "records": [row]}
        return outlet.client.post("/v1/records", json=body, headers=headers).status_code

    with ThreadPoolExecutor(2) as pool:
        for number in range(10):
            both = [(outlet.outlet_id, {}), ("elsewhere", {"X-API-Key": key})]
            claims = [pool.submit(claim, f"new {number}", *each) for each in both]
            assert sorted(each.result() for each in claims) == [202, 409]


def test_what_a_record_contains_is_not_confirmed_by_the_cutoff_of_an_answer(outlet: Outlet) -> None:
    """Of a stored reading of others, the right value contradicts nothing and a wrong one does."""
    foreign = str(outlet.foreign["device_id"])
    stored = outlet.workspace.store.read("telemetry", device_ids=[foreign]).iloc[-1].dropna()
    right: dict[str, Any] = {
        str(k): v.isoformat() if isinstance(v, pd.Timestamp) else v for k, v in stored.drop("device_id").items()
    }
    sensor = next(each.name for each in outlet.workspace.fleet.sensors if each.name in right)
    cutoffs = set()
    for device_id, change in ((foreign, 0.0), (foreign, 0.01), ("nobody", 0.0)):
        reading = {**right, sensor: right[sensor] + change, "available_at": outlet.later.isoformat()}
        asked = {"devices": [{"device_id": device_id, "telemetry": [reading]}]}
        answer = outlet.client.post("/v1/failure-risk", json=asked).json()
        assert answer["results"][0]["error"]["code"] == "unknown_device"
        cutoffs.add(answer["cutoff"])
    assert len(cutoffs) == 1


@pytest.mark.parametrize("facts", [{}, {"device_model": None}, {"device_model": "x", "installed_at": "once"}])
def test_facts_of_which_none_can_be_read_are_told_and_tell_nothing(outlet: Outlet, facts: dict[str, Any]) -> None:
    ids = [str(outlet.own["device_id"]), str(outlet.foreign["device_id"]), "nobody"]
    answers = [
        outlet.client.post("/v1/failure-risk", json={"devices": [{"device_id": each, "facts": facts}]}) for each in ids
    ]
    assert [each.status_code for each in answers] == [200, 200, 200]
    found = [each.json()["results"][0] for each in answers]
    assert found[0]["refused_records"] != []
    assert {**found[1], "device_id": ""} == {**found[2], "device_id": ""}


def test_records_beside_broken_ones_are_stored(outlet: Outlet) -> None:
    """What remains of a call may have times without a zone alone in a column: that is the fault of those rows."""
    at = outlet.later.isoformat()
    order = {"device_id": str(outlet.own["device_id"]), "opened_at": at, "available_at": at, "kind": "corrective"}
    naive = {**order, "work_order_id": "G", "closed_at": at[:16]}
    early = {**order, "work_order_id": "H", "closed_at": at, "available_at": "2199-01-01T00:00:00Z"}
    answer = outlet.send("repairs", naive, early, {**order, "work_order_id": "I"})
    assert [(row, reason) for row, reason, _ in _refusals(answer)] == [(0, "naive_time"), (1, "available_in_future")]
    report = run_drain(outlet.workspace)
    assert (report["refused"], report["quarantined"]) == (0, 1)
    stored = set(outlet.workspace.store.read("repairs")["work_order_id"])
    assert "I" in stored
    assert stored.isdisjoint({"G", "H"})


def test_an_id_that_cannot_be_kept_everywhere_is_not_taken(outlet: Outlet) -> None:
    own = _facts(outlet.own, outlet.later)
    rows = [own, {**own, "device_id": "a\x00b"}, {**own, "device_id": "長" * 201}]
    assert _refusals(outlet.send("devices", *rows)) == [(row, "unusable_id", "device_id") for row in (1, 2)]


@pytest.mark.parametrize("table", ["customers", "stock", "capacity", "parts_used"])
def test_tables_without_devices_are_for_keys_without_outlets(outlet: Outlet, table: str) -> None:
    at = outlet.later.isoformat()
    fields: dict[str, dict[str, Any]] = {
        "customers": {"customer_id": str(outlet.own["customer_id"]), "since": at},
        "stock": {"sku": "P1", "outlet_id": outlet.outlet_id, "on_hand": 1, "unit_cost": 1, "lead_time_days": 1},
        "capacity": {"outlet_id": outlet.outlet_id, "date": "2025-01-01", "technician_hours": 8},
        "parts_used": {"work_order_id": "W", "sku": "P1", "quantity": 1},
    }
    assert outlet.send(table, {**fields[table], "available_at": at}).status_code == 409


@pytest.mark.parametrize("brought", [{}, {"telemetry": 1}, {"facts": 1}], ids=["alone", "with telemetry", "with facts"])
def test_a_lone_device_nobody_knows_is_unknown(outlet: Outlet, brought: dict[str, Any]) -> None:
    sensor = outlet.workspace.fleet.sensors[0].name
    at = outlet.later.isoformat()
    facts = {"device_model": str(outlet.own["device_model"]), "installed_at": at, "outlet_id": "elsewhere"}
    records = {"telemetry": [{"event_time": at, sensor: 1.0}], "facts": facts}
    device = {"device_id": "nobody", **{name: records[name] for name in brought}}
    for as_of in ({}, {"as_of": outlet.workspace.store.observed_until().isoformat()}):  # type: ignore[union-attr]
        answer = outlet.client.post("/v1/failure-risk", json={"devices": [device], **as_of})
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][0]["error"]["code"] == "unknown_device"


def test_ids_are_kept_as_they_will_be_stored_and_their_answers_are_renewed(outlet: Outlet) -> None:
    """Written otherwise, the record is stored under the device but its answer would stay the old one."""
    device_id = str(outlet.own["device_id"])
    reading = {
        "device_id": f" {device_id}\n",
        "event_time": outlet.later.isoformat(),
        "available_at": outlet.later.isoformat(),
    }
    sent = {**reading, **{sensor.name: 1.0 for sensor in outlet.workspace.fleet.sensors}}
    assert _refusals(outlet.send("telemetry", sent)) == []
    assert [row["device_id"] for batch in waiting_batches(outlet.workspace.database, 10) for row in batch.records] == [
        device_id
    ]
    assert run_drain(outlet.workspace)["renewed"] == 1
    row = load_snapshot(snapshot_path(outlet.workspace.folder, "failure")).of([device_id])
    assert row.cutoff_us[0] == outlet.later.value // 1000 - HOUR.value // 1000


def test_a_device_that_moved_is_answered_to_its_new_outlet_and_no_longer_to_its_old_one(outlet: Outlet) -> None:
    moving, later = outlet.foreign, outlet.later
    asked = {"devices": [{"device_id": str(moving["device_id"])}]}
    _, before_key = create_key(outlet.workspace.database, "before", ["predict"], outlets=[str(moving["outlet_id"])])
    headers = {"X-API-Key": before_key}
    assert outlet.client.post("/v1/failure-risk", json=asked).json()["results"][0]["status"] == "error"
    moved = {"table": "devices", "records": [_facts(moving, later, outlet_id=outlet.outlet_id)]}
    assert outlet.everyone.post("/v1/records", json=moved).status_code == 202
    run_drain(outlet.workspace)
    (found,) = _until(outlet.client, asked, lambda result: result["status"] == "answered")
    assert found["probability"] is not None
    (hidden,) = _until(outlet.client, asked, lambda result: result["status"] == "error", headers=headers)
    assert hidden["error"]["code"] == "unknown_device"
    past = {**asked, "as_of": (later - 2 * HOUR).isoformat()}
    theirs, others = (outlet.client.post("/v1/failure-risk", json=past, headers=each) for each in ({}, headers))
    assert theirs.json()["results"][0]["probability"] is not None
    assert others.json()["results"][0]["error"]["code"] == "unknown_device"
    assert outlet.client.get(f"/v1/devices/{moving['device_id']}", headers=headers).status_code == 404


def _until(client: httpx.Client, asked: dict[str, Any], wanted: Callable[[Any], bool], **more: Any) -> list[Any]:
    """Results as soon as one is as wanted: the service looks for newer rows every few seconds."""
    deadline = time.monotonic() + 60.0
    while True:
        results: list[Any] = client.post("/v1/failure-risk", json=asked, **more).json()["results"]
        if any(map(wanted, results)) or time.monotonic() > deadline:
            return results
        time.sleep(0.05)
