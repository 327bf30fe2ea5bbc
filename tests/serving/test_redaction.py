"""Whatever a caller sends, in whatever place: no refusal repeats it, and the log of the real service has none of it."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key

PATIENCE_S = 60.0
MARK = "v3rypr1vate"
JSON = {"Content-Type": "application/json"}
RISKS, RECORDS, LIST = "/v1/failure-risk", "/v1/records", "/v1/risk-lists"


@dataclass(frozen=True)
class Sent:
    """One request with the mark somewhere, and the status it is refused or answered with."""

    status: int
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    known: bool = True
    """Whether it carries a key that works."""


def post(status: int, path: str, body: object, **headers: str) -> Sent:
    return Sent(status, "POST", path, JSON | headers, json.dumps(body).encode())


def stranger(path: str = "/v1/model", **headers: str) -> Sent:
    return Sent(401, "GET", path, headers, known=False)


TOKEN = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (
    {"alg": "RS256", "typ": "JWT"}, {"sub": MARK, "aud": "aftercast", "exp": 4_000_000_000}
)) + f".{MARK}"  # fmt: skip

REFUSED = {
    "key of an unknown id": stranger(**{"X-API-Key": f"ac_00000000_{MARK}"}),
    "key that is none": stranger(**{"X-API-Key": MARK}),
    "bearer that is none": stranger(Authorization=f"Bearer {MARK}"),
    "token nobody signed": stranger(Authorization=f"Bearer {TOKEN}"),
    "password": stranger("/docs", Authorization="Basic " + base64.b64encode(f"ann:{MARK}".encode()).decode()),
    "scheme that is none": stranger(Authorization=f"Digest {MARK}"),
    "unknown path": Sent(404, "GET", f"/v1/{MARK}"),
    "unknown path without a key": stranger(f"/{MARK}?key={MARK}"),
    "unknown device": Sent(404, "GET", f"/v1/devices/{MARK}?q={MARK}"),
    "path with a line break": Sent(404, "GET", f"/v1/devices/%0D%0A{MARK}"),
    "wrong method": Sent(405, "DELETE", f"{RISKS}?q={MARK}"),
    "query that is wrong": Sent(422, "GET", f"{LIST}/5d1f0a9b?limit={MARK}&cursor={MARK}&format={MARK}"),
    "broken JSON": Sent(422, "POST", RISKS, JSON, b'{"devices": [' + MARK.encode()),
    "no UTF-8": Sent(400, "POST", RISKS, JSON, b'{"devices": "\xff' + MARK.encode() + b'"}'),
    "field of another type": post(422, RISKS, {"devices": [{"device_id": {MARK: MARK}}]}),
    "field of an unknown name": post(422, RISKS, {"devices": [{"device_id": "D1", MARK: MARK}]}),
    "time that is none": post(422, LIST, {"cutoff": MARK}),
    "horizon that is none": post(422, RISKS, {"devices": [{"device_id": "D1"}], "horizon": MARK}),
    "facts that are none": post(422, RISKS, {"devices": [{"device_id": "D1", "facts": [MARK]}]}),
    "table that is none": post(422, RECORDS, {"table": MARK, "records": [{MARK: MARK}]}),
    "idempotency key too long": post(
        422, RECORDS, {"table": "telemetry", "records": [{}]}, **{"Idempotency-Key": MARK * 100}
    ),
}  # fmt: skip
ANSWERED = {
    "unknown device in a batch": post(200, RISKS, {"devices": [{"device_id": MARK}]}),
    "records that are wrong": post(
        200,
        RISKS,
        {"devices": [{"device_id": "D0001", "telemetry": [{"event_time": "2025-01-01T00:00:00Z", MARK: 1}]}]},
    ),
    "headers nobody reads": Sent(
        200, "GET", "/v1/model", {"Cookie": MARK, "Referer": MARK, "User-Agent": MARK, "X-Forwarded-For": MARK}
    ),
    "id of a request with signs": Sent(200, "GET", "/v1/model", {"X-Request-ID": f"{MARK} {MARK}"}),
}


@dataclass(frozen=True)
class Asked:
    """What came back, and what the service wrote to standard error meanwhile."""

    answers: dict[str, httpx.Response]
    broken: bytes
    log: str
    secret: str


@contextmanager
def serving(workspace: Workspace, log: Path) -> Iterator[str]:
    """Address of `aftercast serve` as a process of its own."""
    command = [
        sys.executable,
        "-m",
        "aftercast.cli.main",
        "serve",
        "--port",
        "0",
        "-w",
        str(workspace.folder),
    ]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=dict(os.environ))
    try:
        yield wait_for(log, process)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def wait_for(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        if found is not None:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def send_nonsense(url: str) -> bytes:
    """What comes back to bytes that are no HTTP."""
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 0), timeout=PATIENCE_S) as connection:
        connection.sendall(f"{MARK} {MARK}\r\n{MARK}\r\n\r\n".encode())
        return connection.recv(4096)


@pytest.fixture(scope="module")
def asked(fleet_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Every request, asked once of one process; none of them changes the fleet."""
    _, key = create_key(fleet_workspace.database, "redaction", ("admin",))
    log = tmp_path_factory.mktemp("log") / "service.log"
    with serving(fleet_workspace, log) as url, httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        answers = {name: ask(client, sent, key) for name, sent in (REFUSED | ANSWERED).items()}
        broken = send_nonsense(url)
    return Asked(answers, broken, log.read_text(), key.rsplit("_", 1)[1])


def ask(client: httpx.Client, sent: Sent, key: str) -> httpx.Response:
    headers = sent.headers | ({"X-API-Key": key} if sent.known else {})
    return client.request(sent.method, sent.path, headers=headers, content=sent.content)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_repeats_nothing(asked: Asked, name: str) -> None:
    answer = asked.answers[name]
    assert answer.status_code == REFUSED[name].status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert MARK not in answer.text
    assert MARK not in str(answer.headers)


@pytest.mark.parametrize("name", ANSWERED)
def test_an_answer_is_one(asked: Asked, name: str) -> None:
    assert asked.answers[name].status_code == ANSWERED[name].status, asked.answers[name].text


def test_what_is_no_http_is_refused_without_it(asked: Asked) -> None:
    assert asked.broken.startswith(b"HTTP/1.1 400 ")
    assert MARK.encode() not in asked.broken


def test_the_log_has_a_line_for_each_request_and_nothing_that_was_sent(asked: Asked) -> None:
    lines = [json.loads(line) for line in asked.log.splitlines()]
    statuses = [line["status"] for line in lines if "status" in line]
    assert sorted(statuses) == sorted(sent.status for sent in (REFUSED | ANSWERED).values())
    assert MARK not in asked.log
    assert MARK[:8] not in asked.log
    assert base64.b64encode(MARK.encode()).decode()[:12] not in asked.log
    assert asked.secret not in asked.log
