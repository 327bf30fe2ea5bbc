"""The Python client against the real service: typed answers, refusals as exceptions, calls repeated when it is away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.inbox import count_waiting, find_batch
from aftercast.operations.database.keys import create_key
from aftercast.serving.client import Client, DeviceAsked, ServiceError

Listening = Callable[[Workspace], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def asking(fleet_workspace: Workspace, listening: Listening) -> Iterator[Client]:
    """Client with every scope."""
    _, key = create_key(fleet_workspace.database, "client", ("predict", "lists"))
    with listening(fleet_workspace) as url, Client(url, key) as client:
        yield client


@pytest.fixture(scope="module")
def device_id(fleet_workspace: Workspace) -> str:
    """A device with a row."""
    return str(load_snapshot(snapshot_path(fleet_workspace.folder, "failure")).ids[0])


def test_answers_are_typed(asking: Client, device_id: str) -> None:
    answer = asking.failure_risk([device_id, "nobody"], horizon="7d", drivers=2)
    known, unknown = answer.results
    assert known.status == "answered"
    assert known.probability is not None
    assert len(known.drivers) <= 2
    assert unknown.status == "error"
    assert unknown.error.code == "unknown_device"


def test_a_device_brings_its_records(asking: Client, device_id: str, fleet_workspace: Workspace) -> None:
    until = fleet_workspace.store.observed_until()
    assert until is not None
    later = (until + pd.Timedelta("1h")).isoformat()
    asked = DeviceAsked(device_id=device_id, faults=[{"event_time": later, "code": "E"}])
    (result,) = asking.failure_risk([asked]).results
    assert result.status == "answered"
    assert pd.Timestamp(result.cutoff) == pd.Timestamp(later)


def test_every_question_has_its_call(asking: Client, device_id: str, fleet_workspace: Workspace) -> None:
    assert asking.device(device_id).device_id == device_id
    made = asking.make_risk_list(top=3)
    assert asking.risk_list(made.list_id, limit=2, cursor="1").rows == made.rows[1:]
    assert [found.model.name for found in asking.model().models] == ["churn", "failure"]
    assert asking.readiness().status == "ready"
    customers = load_snapshot(snapshot_path(fleet_workspace.folder, "churn")).ids
    assert asking.churn_risk([str(customers[0])]).results[0].status == "answered"


def test_a_device_with_any_name_is_asked_for_by_that_name(asking: Client) -> None:
    with pytest.raises(ServiceError, match="does not exist") as caught:
        asking.device("a/b c?d#e%2F")
    assert caught.value.status == 404


def test_a_refusal_carries_the_problem(asking: Client, device_id: str) -> None:
    with pytest.raises(ServiceError, match="longest") as caught:
        asking.failure_risk([device_id], horizon="9999d")
    assert (caught.value.status, caught.value.problem is not None) == (409, True)
    assert "at most" in caught.value.hint
    with pytest.raises(ServiceError, match="may not do this"):
        asking.send_records("faults", [{"code": "E"}])


def test_a_wrong_key_is_refused_at_once(fleet_workspace: Workspace, listening: Listening) -> None:
    with listening(fleet_workspace) as url, Client(url, "ac_0_0") as client:
        with pytest.raises(ServiceError) as caught:
            client.model()
        assert caught.value.status == 401


def test_records_are_sent_once_however_often_they_are_tried(own_fleet: Workspace, listening: Listening) -> None:
    _, key = create_key(own_fleet.database, "client", ("ingest",))
    with listening(own_fleet) as url, Client(url, key) as client:
        records = [{"device_id": "x", "event_time": "2025-01-01T00:00:00Z", "code": "E"}]
        first = client.send_records("faults", records, idempotency_key="mine")
        again = client.send_records("faults", records, idempotency_key="mine")
        state = client.batch(first.batch_id).state
    assert (first.batch_id, again.repeated, state) == (again.batch_id, True, "waiting")
    assert count_waiting(own_fleet.database).batches == 1


def test_a_service_that_is_away_is_asked_again_and_then_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with (
            Client(address, "k", attempts=2) as client,
            pytest.raises(ServiceError, match="cannot be reached") as caught,
        ):
            client.model()
    assert caught.value.status is None


@contextmanager
def saying(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Address of a real socket that gives these answers in turn, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        thread.join(10)


def http(status: str, body: bytes = b"", headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def test_a_busy_service_is_asked_again_after_the_pause_it_names() -> None:
    busy, fine = http("503 Busy", headers="Retry-After: 0\r\n"), http("200 OK", b'{"models": [], "missing": {}}')
    with saying(busy, busy, fine) as (url, asked), Client(url, "k") as client:
        assert client.model().models == []
    assert len(asked) == 3


def test_what_took_too_long_is_not_asked_again() -> None:
    problem = b'{"type": "/problems/took-too-long", "title": "t", "status": 503, "detail": "d"}'
    with saying(http("503 Busy", problem, "Retry-After: 0\r\n")) as (url, asked), Client(url, "k") as client:
        with pytest.raises(ServiceError) as caught:
            client.model()
        assert caught.value.status == 503
    assert len(asked) == 1


@pytest.mark.parametrize("status", ["502 Bad Gateway", "200 OK"])
@pytest.mark.parametrize("call", [Client.readiness, Client.model])
def test_a_page_of_a_proxy_is_told_with_its_status(call: Callable[[Client], object], status: str) -> None:
    with saying(http(status, b"<html>proxy</html>")) as (url, _), Client(url, "k") as client:
        with pytest.raises(ServiceError, match=f"answered {status[:3]} with something") as caught:
            call(client)
        assert caught.value.status == int(status[:3])
        assert "proxy" in caught.value.hint


def test_what_a_refusal_says_is_said_once(asking: Client) -> None:
    with pytest.raises(ServiceError) as caught:
        asking.device("nobody")
    assert caught.value.message.count("does not exist") == 1


def test_space_around_a_key_does_not_count() -> None:
    fine = http("200 OK", b'{"models": [], "missing": {}}')
    with saying(fine) as (url, asked), Client(url, " k\r\n") as client:
        client.model()
    assert b"Authorization: Bearer k\r\n" in asked[0]


@pytest.mark.parametrize(("address", "key"), [("http://127.0.0.1", "a\nb"), ("http://127.0.0.1:port", "k")])
def test_an_address_or_a_key_that_can_be_none_is_refused(address: str, key: str) -> None:
    with pytest.raises(ServiceError):
        Client(address, key)


NAIVE: Any = datetime(2025, 1, 1)  # noqa: DTZ001
OFTEN = {"device_id": "x", "event_time": "2025-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda client: client.failure_risk(["D1"], horizon="7"), "horizon"),
        (lambda client: client.make_risk_list(cutoff=NAIVE), "cutoff: .*timezone"),
        (lambda client: client.failure_risk(["D1"], drivers=99), "drivers: .*20"),
        (lambda client: client.failure_risk([""]), "device_id"),
        (lambda client: client.failure_risk([]), "devices: .*at least 1"),
        (lambda client: client.failure_risk("D000033"), "'devices' has to be a list"),
        (lambda client: client.churn_risk("C000033"), "'customers' has to be a list"),
        (lambda client: client.churn_risk([]), "customers: .*at least 1"),
        (lambda client: client.churn_risk(["C1"], horizon="7"), "horizon"),
        (lambda client: client.send_records("faults", []), "records: .*at least 1"),
        (lambda client: client.send_records("faults", OFTEN), "'records' has to be a list"),
        (lambda client: client.send_records("nothing", [OFTEN]), "table: .*'faults'"),
        (lambda client: client.send_records("faults", [1]), r"records\.0: .*dictionary"),
        (lambda client: client.send_records("faults", [{"heat": float("nan")}]), r"records\.0\.heat: .*finite"),
        (lambda client: client.send_records("faults", [{"heat": []}]), r"records\.0\.heat: .*boolean or .*number or"),
        (
            lambda client: client.send_records("faults", [OFTEN, {"event_time": NAIVE}]),
            r"\.1\.event_time .*zone",
        ),
        (lambda client: client.send_records("faults", [{"event_time": pd.Timestamp(NAIVE)}]), "has no time zone"),
        (lambda client: client.send_records("faults", [OFTEN], idempotency_key="a\nb"), "idempotency key"),
        (lambda _: DeviceAsked(device_id="x", faults=[{"event_time": NAIVE}]), r"faults\.0\.event_time .*zone"),
        (lambda _: DeviceAsked(device_id="x", faults=[{"heat": float("inf")}]), r"faults\.0\.heat: .*finite"),
    ],
)
def test_a_question_that_is_none_is_refused_by_its_place_before_it_is_sent(
    call: Callable[[Client], object], named: str
) -> None:
    with Client("http://127.0.0.1:9", "k", attempts=1) as client, pytest.raises(ServiceError, match=named) as caught:
        call(client)
    assert caught.value.status is None
    assert caught.value.hint != ""


@pytest.mark.parametrize("moment", [datetime(2025, 1, 1, tzinfo=UTC), pd.Timestamp("2025-01-01 01:00", tz="CET")])
def test_times_with_a_zone_are_sent_as_text(own_fleet: Workspace, listening: Listening, moment: Any) -> None:
    _, key = create_key(own_fleet.database, "client", ("ingest", "predict"))
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    with listening(own_fleet) as url, Client(url, key) as client:
        row = {"device_id": device_id, "event_time": moment, "available_at": pd.NaT, "code": "E"}
        taken = client.send_records("faults", [row])
        fault: Any = {"event_time": moment, "code": "E"}
        asked = DeviceAsked(device_id=device_id, faults=[fault])
        (result,) = client.failure_risk([asked]).results
    batch = find_batch(own_fleet.database, taken.batch_id)
    assert batch is not None
    assert pd.Timestamp(batch.records[0]["event_time"]) == pd.Timestamp("2025-01-01", tz="UTC")
    assert (taken.wrong, result.status) == ([], "answered")
