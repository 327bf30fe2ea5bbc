"""One id and one line per request, and a failure nobody foresaw is told without its content."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.keys import create_key
from aftercast.operations.log_format import JsonLines, told
from aftercast.serving.access_log import RequestLog
from aftercast.serving.error_handling import ErrorHandling
from aftercast.serving.metrics.requests import RequestMetrics

PATIENCE_S = 180.0


def _app() -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.add_middleware(ErrorHandling)
    app.add_middleware(RequestLog, metrics=RequestMetrics(None))

    @app.get("/things/{thing_id}")
    def thing(thing_id: str) -> dict[str, str]:
        if thing_id == "broken":
            raise RuntimeError("the secret of " + thing_id)
        return {"thing": thing_id}

    return app


def _get(path: str, headers: dict[bytes, bytes] | None = None, method: str = "GET") -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(ask())


class Log(logging.StreamHandler[io.StringIO]):
    """What the service writes to standard error, kept."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.setFormatter(JsonLines())

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["logger"] == "aftercast.serving.access"]


@pytest.fixture
def access_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    ours, log = logging.getLogger("aftercast"), Log()
    monkeypatch.setattr(ours, "level", logging.INFO)
    logging.getLogger("aftercast.serving.access")._cache.clear()  # type: ignore[attr-defined]
    ours.addHandler(log)
    yield log
    ours.removeHandler(log)


def test_a_line_names_the_route_and_not_the_ids_in_its_path(access_log: Log) -> None:
    answer = _get("/things/D0017?for=C0042")
    (line,) = access_log.requests
    assert (line["method"], line["route"], line["status"]) == ("GET", "/things/{thing_id}", 200)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert line["duration_ms"] >= 0
    assert "D0017" not in access_log.text
    assert "C0042" not in access_log.text


def test_a_callers_own_id_is_kept(access_log: Log) -> None:
    answer = _get("/things/a", {b"X-Request-ID": b"ticket-4711"})
    assert answer.headers["X-Request-ID"] == "ticket-4711"
    assert access_log.requests[0]["request_id"] == "ticket-4711"


@pytest.mark.parametrize("given", [b"", b"x" * 65, b'a"b', b"a b", b"\xe4"])
def test_an_id_that_could_harm_a_log_is_replaced(access_log: Log, given: bytes) -> None:
    answer = _get("/things/a", {b"X-Request-ID": given})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_a_method_that_is_any_word_is_not_repeated(access_log: Log) -> None:
    assert _get("/things/a", method="D0017").status_code == 405
    assert access_log.requests[0]["method"] == "_OTHER"
    assert "D0017" not in access_log.text


def test_what_nobody_foresaw_is_a_problem_and_its_cause_stays_in_the_log(access_log: Log) -> None:
    answer = _get("/things/broken")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert "secret" not in answer.text
    assert "secret" not in access_log.text
    (failed,) = [line for line in access_log.lines if line["level"] == "error"]
    assert failed["request_id"] == answer.json()["request_id"]
    assert (failed["error"]["kind"], failed["error"]["at"][-1].split()[1]) == ("RuntimeError", "thing")
    assert access_log.requests[0]["status"] == 500


def test_an_error_outside_a_request_is_quoted_without_who_logs_in() -> None:
    try:
        try:
            raise OSError("no route to postgresql://ann:pass@host/db")
        except OSError as error:
            raise ValueError("wrong") from error
    except ValueError as error:
        found = told(error, quoting=True)
    assert (found["kind"], found["message"]) == ("ValueError", "wrong")
    assert found["cause"]["message"] == "no route to postgresql://***@host/db"
    assert re.fullmatch(r"test_request_log\.py:\d+ test_an_error_\w+", found["at"][0])


def test_every_line_of_the_command_is_json_and_none_holds_what_was_sent(own_fleet: Workspace, log: Path) -> None:
    """Uvicorn's lines, warnings of libraries and failures, too; the rows are made unreadable to provoke one."""
    _, key = create_key(own_fleet.database, "log", ("predict",))
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    text = _run_and_ask(own_fleet, log, key, device_id)
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"time", "level", "logger"} <= set(line) for line in lines)
    messages = [line.get("message", "") for line in lines]
    assert any(each.startswith("takes requests") for each in messages)
    assert any(each.startswith("Uvicorn running on http://127.0.0.1:") for each in messages)
    assert "has stopped" in messages
    (failed,) = [line for line in lines if line["level"] == "error"]
    assert failed["error"]["kind"] == "ModelMismatchError"
    answered = {line["request_id"]: line["status"] for line in lines if "status" in line}
    assert (answered["asked-1"], answered["asked-2"], answered["asked-3"]) == (200, 401, 404)
    for sent in (key, key.split("_")[2], device_id, "ac_00000000_wrong", "hidden-query"):
        assert sent not in text


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_that_cannot_start_says_why_in_its_log(workers: str, bare_workspace: Workspace, log: Path) -> None:
    """What is wrong is seen where the application is made: in the one process, or in every worker."""
    settings = {"AFTERCAST_TOKENS__ISSUER": "https://issuer.example", "AFTERCAST_TOKENS__AUDIENCE": ""}
    process = _start(bare_workspace, log, "--workers", workers, **settings)
    try:
        _logged(log, "cannot start.*\n")
    finally:
        if workers != "1":  # the others are started again and again
            process.terminate()
        process.wait(2 * PATIENCE_S)  # a worker that is starting is waited for
    told_of = [line for line in map(json.loads, log.read_text().splitlines()) if line["level"] == "critical"]
    assert {(each["message"], each["error"]["kind"]) for each in told_of} == {("cannot start", "SettingsError")}
    assert "tokens.audience" in told_of[0]["error"]["message"]
    assert workers != "1" or process.returncode == 2


def test_what_nobody_caught_is_a_line_too() -> None:
    script = """
import threading
from aftercast.operations.log_format import log_to_stderr
log_to_stderr()
thread = threading.Thread(target=lambda: [][1])
thread.start()
thread.join()
raise RuntimeError("the end")
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["error"]["kind"] for line in lines] == ["IndexError", "RuntimeError"]
    assert lines[1]["error"]["message"] == "the end"
    assert ended.returncode == 1


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a process of the service writes its standard error."""
    return tmp_path / "service.log"


def _start(workspace: Workspace, log: Path, *options: str, **settings: str) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", "aftercast.cli.main", "serve", "--port", "0", *options)
    with log.open("w") as out:
        return subprocess.Popen(
            [*command, "-w", str(workspace.folder)],
            env=os.environ | settings,
            stderr=out,
            stdout=subprocess.DEVNULL,
        )


def _run_and_ask(workspace: Workspace, path: Path, key: str, device_id: str) -> str:
    """Standard error of `aftercast serve` that was asked a few things and lost its rows."""
    process = _start(workspace, path, AFTERCAST_SERVING__REFRESH_EVERY_S="0.2")
    try:
        url = _logged(path, r"http://127\.0\.0\.1:\d+")
        headers = {"X-API-Key": key}
        body = {"devices": [{"device_id": device_id}]}
        httpx.post(f"{url}/v1/failure-risk", json=body, headers=headers | {"X-Request-ID": "asked-1"})
        wrong = {"X-API-Key": "ac_00000000_wrong", "X-Request-ID": "asked-2"}
        httpx.get(f"{url}/v1/devices/{device_id}", headers=wrong)
        httpx.get(f"{url}/v1/nowhere/{device_id}?q=hidden-query", headers=headers | {"X-Request-ID": "asked-3"})
        snapshot_path(workspace.folder, "failure").write_bytes(b"half a file")
        _logged(path, "stays as it is")
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
    return path.read_text()


def _logged(path: Path, pattern: str) -> str:
    """First text in the log that fits a pattern; waits for it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = re.search(pattern, path.read_text())
        if found is not None:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"never logged: {pattern}")
