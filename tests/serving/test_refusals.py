"""Each refusal shown in the interface's description is what the service sends: all of them are provoked here."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key
from aftercast.serving.problems import NOTHING_READABLE
from aftercast.serving.refusals import REFUSALS
from aftercast.serving.wire.problem import Problem

RISK = "/v1/failure-risk"
JSON = {"Content-Type": "application/json"}
ONE: dict[str, Any] = {"devices": [{"device_id": "D1"}]}
Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def strict(bare_workspace: Workspace, listening: Listening) -> Iterator[tuple[str, str]]:
    """Address and key of a service that waits a moment for a body and answers a caller once a minute."""
    tight = {"rate_limit": "1/minute", "body_timeout_s": 1.0, "max_body_bytes": 1000}
    serving = bare_workspace.settings.serving.model_copy(update=tight)
    workspace = replace(bare_workspace, settings=bare_workspace.settings.model_copy(update={"serving": serving}))
    _, key = create_key(workspace.database, "strict", scopes=("admin",))
    with listening(workspace) as url:
        yield url, key
    workspace.database.dispose()


def shown(status: int) -> Problem:
    """Return the example of a status."""
    return REFUSALS[status][1].shown()


def check(answer: Any, example: Problem) -> None:
    """Numbers, names in quotes and ids are those of the occasion; all else is the same."""

    def words(problem: dict[str, Any]) -> dict[str, Any]:
        told = {name: value for name, value in problem.items() if name not in {"request_id", "errors"}}
        return {name: re.sub(r"\d+|(?<= ')\w+(?=')|(?<=--scope )\w+", "N", f"{value}") for name, value in told.items()}

    assert words(answer) == words(example.model_dump(mode="json", exclude_none=True))
    assert answer["status"] == example.status
    assert ("errors" in answer) == (example.errors is not None)


def test_every_example_of_a_body_that_is_wrong_is_what_is_sent(bare_client: httpx.Client) -> None:
    check(bare_client.post(RISK, content=b'{"devices": "\xff"}', headers=JSON).json(), shown(400))
    check(bare_client.post(RISK, content=b"{}", headers={"Content-Type": "text/plain"}).json(), shown(415))
    check(bare_client.post(RISK, json={"devices": [{}]}).json(), shown(422))
    check(bare_client.post(RISK, json=ONE).json(), shown(503))
    unreadable = {"table": "telemetry", "records": [{"device_id": 1}]}
    check(bare_client.post("/v1/records", json=unreadable).json(), NOTHING_READABLE.shown())


def test_every_example_of_what_a_key_may_not_is_what_is_sent(
    bare_workspace: Workspace, bare_url: str, stranger: httpx.Client, client_of: ClientOf
) -> None:
    check(stranger.post(RISK, json=ONE).json(), shown(401))
    with client_of(bare_url, bare_workspace, "metrics") as other:
        check(other.post(RISK, json=ONE).json(), shown(403))


def test_every_example_of_what_is_not_there_is_what_is_sent(client: httpx.Client) -> None:
    check(client.get("/v1/devices/nobody").json(), shown(404))
    check(client.post(RISK, json=ONE | {"horizon": "9000d"}).json(), shown(409))


def test_every_example_of_a_limit_is_what_is_sent(strict: tuple[str, str]) -> None:
    url, key = strict
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60) as asking:
        check(asking.post(RISK, content=b" " * 1001).json(), shown(413))
        check(asking.post(RISK, json=ONE).json(), shown(429))


def test_the_example_of_a_slow_body_is_what_is_sent(bare_workspace: Workspace, strict: tuple[str, str]) -> None:
    place = urlsplit(strict[0])
    _, key = create_key(bare_workspace.database, "slow", scopes=("admin",))
    head = f"POST {RISK} HTTP/1.1\r\nHost: service\r\nX-API-Key: {key}\r\nContent-Length: 100\r\n\r\n"
    with closing(socket.create_connection((place.hostname, place.port), timeout=60)) as line:
        line.sendall(head.encode() + b"{")
        answer = HTTPResponse(line)
        answer.begin()
        check(json.loads(answer.read()), shown(408))
        assert (answer.getheader("Connection"), line.recv(1)) == ("close", b"")
