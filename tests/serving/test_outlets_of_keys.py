"""What a key of one outlet sees: its own devices, and of all others not even that they exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pandas as pd
import pytest

from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.importer import ingest
from aftercast.data.workspace import Workspace
from aftercast.models.lists.risk_list import make_list
from aftercast.operations.database.keys import create_key

Listening = Callable[[Workspace], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def url(listening: Listening, fleet_workspace: Workspace) -> Iterator[str]:
    with listening(fleet_workspace) as found:
        yield found


@contextmanager
def _client(url: str, workspace: Workspace, *outlets: str) -> Iterator[httpx.Client]:
    _, key = create_key(workspace.database, "outlet", ["predict", "lists"], outlets=outlets or None)
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60.0) as client:
        yield client


@pytest.fixture(scope="module")
def outlet_of(fleet_workspace: Workspace) -> dict[str, str]:
    """Outlet of every device that is on the list."""
    listed = [row.device_id for row in make_list(fleet_workspace, horizon="7d", top=1000).rows]
    last = fleet_workspace.store.read("devices", columns=["device_id", "outlet_id"]).drop_duplicates(
        "device_id", keep="last"
    )
    known = dict(zip(last["device_id"], last["outlet_id"], strict=True))
    return {device_id: known[device_id] for device_id in listed}


@pytest.fixture(scope="module")
def north(outlet_of: dict[str, str]) -> str:
    outlets = sorted(set(outlet_of.values()))
    assert len(outlets) > 1
    return outlets[0]


def _fates(client: httpx.Client, ids: list[str]) -> dict[str, tuple[Any, Any]]:
    answer = client.post("/v1/failure-risk", json={"devices": [{"device_id": each} for each in ids], "horizon": "7d"})
    assert answer.status_code == 200, answer.text
    return {each["device_id"]: (each["status"], each.get("probability")) for each in answer.json()["results"]}


def test_risks_of_other_outlets_are_those_of_unknown_devices(
    url: str, fleet_workspace: Workspace, outlet_of: dict[str, str], north: str
) -> None:
    ids = [*outlet_of, "no such device"]
    with _client(url, fleet_workspace) as everyone, _client(url, fleet_workspace, north) as northern:
        all_fates, their_fates = _fates(everyone, ids), _fates(northern, ids)
    theirs = {each for each, outlet in outlet_of.items() if outlet == north}
    assert {each for each, (status, _) in their_fates.items() if status == "answered"} == theirs
    assert {each: their_fates[each] for each in theirs} == {each: all_fates[each] for each in theirs}


def test_a_device_of_another_outlet_is_as_unknown_as_one_that_does_not_exist(
    url: str, fleet_workspace: Workspace, outlet_of: dict[str, str], north: str
) -> None:
    own = next(each for each, outlet in outlet_of.items() if outlet == north)
    other = next(each for each, outlet in outlet_of.items() if outlet != north)
    with _client(url, fleet_workspace, north) as client:
        found = [client.get(f"/v1/devices/{each}") for each in (own, other, "nowhere")]
    assert [answer.status_code for answer in found] == [200, 404, 404]
    hidden, unknown = ({**answer.json(), "request_id": ""} for answer in found[1:])
    assert hidden == unknown


def test_the_risk_list_has_the_devices_of_the_outlets_alone(
    url: str, fleet_workspace: Workspace, outlet_of: dict[str, str], north: str
) -> None:
    with _client(url, fleet_workspace, north) as client:
        listed = client.post("/v1/risk-lists", json={"horizon": "7d", "top": 1000}).json()["rows"]
    assert {row["device_id"] for row in listed} == {each for each, outlet in outlet_of.items() if outlet == north}


def test_several_outlets_are_seen_together(url: str, fleet_workspace: Workspace, outlet_of: dict[str, str]) -> None:
    first, second = sorted(set(outlet_of.values()))[:2]
    with _client(url, fleet_workspace, first, second) as client:
        fates = _fates(client, list(outlet_of))
    answered = {each for each, (status, _) in fates.items() if status == "answered"}
    assert answered == {each for each, outlet in outlet_of.items() if outlet in {first, second}}


def test_a_key_of_an_outlet_that_does_not_exist_sees_nothing(
    url: str, fleet_workspace: Workspace, outlet_of: dict[str, str]
) -> None:
    with _client(url, fleet_workspace, "no such outlet") as client:
        fates = _fates(client, list(outlet_of))
    assert {status for status, _ in fates.values()} == {"error"}


def test_a_list_is_read_by_those_who_see_its_outlets(url: str, fleet_workspace: Workspace, north: str) -> None:
    with (
        _client(url, fleet_workspace) as everyone,
        _client(url, fleet_workspace, north) as northern,
        _client(url, fleet_workspace, "no such outlet") as other,
    ):
        theirs = northern.post("/v1/risk-lists", json={}).headers["Location"]
        whole = everyone.post("/v1/risk-lists", json={}).headers["Location"]
        read = [client.get(theirs).status_code for client in (everyone, northern, other)]
        assert (read, northern.get(whole).status_code) == ([200, 200, 404], 404)


def test_a_device_that_an_import_moved_is_gone_from_the_old_outlet_at_once(
    own_fleet: Workspace, listening: Listening, outlet_of: dict[str, str], north: str
) -> None:
    """No scoring came between: rows and stored risks are those of before."""
    device_id = next(each for each, outlet in outlet_of.items() if outlet == north)
    south = next(outlet for outlet in outlet_of.values() if outlet != north)
    asked = {"devices": [{"device_id": device_id}]}
    with (
        listening(own_fleet) as address,
        _client(address, own_fleet, north) as northern,
        _client(address, own_fleet, south) as southern,
    ):
        made = northern.post("/v1/risk-lists", json={"top": 1000})
        assert device_id in {row["device_id"] for row in made.json()["rows"]}
        facts = own_fleet.store.read("devices", device_ids=[device_id]).tail(1)
        moved = facts.assign(outlet_id=south, available_at=facts["available_at"] + pd.Timedelta(hours=1))
        ingest(own_fleet.store, [Batch("devices", moved, "moved.csv")], own_fleet.fleet, origin="moved")
        statuses = [
            client.post("/v1/failure-risk", json=asked).json()["results"][0]["status"]
            for client in (northern, southern)
        ]
        lists = [
            made.headers["Location"],
            northern.post("/v1/risk-lists", json={"top": 1000}).headers["Location"],
            southern.post("/v1/risk-lists", json={"top": 1000}).headers["Location"],
        ]
        readers = (northern, northern, southern)
        seen = [
            device_id in {row["device_id"] for row in client.get(path).json()["rows"]}
            for client, path in zip(readers, lists, strict=True)
        ]
    assert statuses == ["error", "answered"]
    assert seen == [False, False, True]
