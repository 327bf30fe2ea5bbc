"""The Python client against the real service: typed answers, refusals as exceptions, calls repeated when it is away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pandas as pd
import pytest

from aftercast.data.records.inbox import count_waiting
from aftercast.data.records.keys import create_key
from aftercast.data.workspace import Workspace
from aftercast.models.snapshot import snapshot_path
from aftercast.models.snapshot_file import load_snapshot
from aftercast.serving.client import Client, ServiceError
from aftercast.serving.wire.risk import DeviceAsked

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
    assert asking.risk_list(top=3).rows[0].rank == 1
    assert asking.model().models[0].model.name == "failure"
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
    assert (first.batch_id, again.repeated) == (again.batch_id, True)
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


def test_a_busy_service_is_asked_again_after_the_pause_it_names() -> None:
    """A real socket that refuses twice, then answers."""
    asked: list[bytes] = []
    busy = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body = b'{"models": [], "missing": {}}'
    fine = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in (busy, busy, fine):
                connection, _ = server.accept()
                with connection:
                    asked.append(connection.recv(65536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with Client(f"http://127.0.0.1:{server.getsockname()[1]}", "k") as client:
            assert client.model().models == []
        thread.join(10)
    assert len(asked) == 3
