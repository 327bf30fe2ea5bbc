"""Asked to stop, `aftercast serve` takes no new request, answers those it has, and ends by itself.

One that cannot start ends with a status that says so.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse

import httpx
import psutil
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.audit import newest_entries, verify
from aftercast.operations.database.keys import create_key

PATIENCE_S = 180.0
ENDING = [(), pytest.param(("--workers", "2"), marks=pytest.mark.slow)]


@contextmanager
def _serving(workspace: Workspace, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "aftercast.cli.main", "serve", "--port", str(port), *options]
    environment = {**os.environ, "AFTERCAST_SERVING__BODY_TIMEOUT_S": str(PATIENCE_S)}
    process = subprocess.Popen([*command, "-w", str(workspace.folder)], env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait_ready(port, process)
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)


def _wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, "the service ended while starting"
        assert time.monotonic() < deadline, "the service did not become ready"
        try:
            if httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)


def _wait_deaf(port: int) -> None:
    """Wait until no new request is taken; the supervisor of several workers keeps the port open a while longer."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=1)
        except httpx.TransportError:
            return
        time.sleep(0.05)
    raise AssertionError("the service still takes requests")


@pytest.mark.parametrize("options", ENDING, ids=["one process", "two workers"])
def test_a_request_that_was_begun_is_answered_after_the_signal(options: tuple[str, ...], own_fleet: Workspace) -> None:
    """Half of its body is sent before the signal, the rest once no other request is taken."""
    device_id = str(load_snapshot(snapshot_path(own_fleet.folder, "failure")).ids[0])
    _, key = create_key(own_fleet.database, "stopping")
    body = json.dumps({"devices": [{"device_id": device_id}]}).encode()
    head = (
        f"POST /v1/failure-risk HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
        "Expect: 100-continue\r\n"
    )
    with _serving(own_fleet, *options) as (process, port):
        with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)) as line:
            line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
            assert line.recv(65536).startswith(b"HTTP/1.1 100 ")  # the head is read and the request has begun
            line.sendall(body[:10])
            process.send_signal(signal.SIGTERM)
            _wait_deaf(port)
            line.sendall(body[10:])
            answered = HTTPResponse(line)
            answered.begin()
            told = json.loads(answered.read())
        ended = process.wait(PATIENCE_S)
    assert answered.status == 200, told
    assert told["results"][0]["device_id"] == device_id
    assert ended in {0, -signal.SIGTERM}
    (newest,) = newest_entries(own_fleet.path("audit"), 1)
    assert newest["content"]["answers"][0]["probability"] == told["results"][0]["probability"]
    assert verify(own_fleet.path("audit"), own_fleet.database).whole


@pytest.mark.slow
@pytest.mark.parametrize("options", ENDING, ids=["one process", "two workers"])
def test_a_service_that_cannot_start_ends_with_a_status_that_says_so(
    options: tuple[str, ...], own_fleet: Workspace
) -> None:
    """Whoever supervises it, as systemd does on failure, must not take it for one that was stopped."""
    shutil.rmtree(own_fleet.path("audit"), ignore_errors=True)
    own_fleet.path("audit").write_text("not a folder", encoding="utf-8")
    command = [sys.executable, "-m", "aftercast.cli.main", "serve", "--port", "0", *options]
    command += ["-w", str(own_fleet.folder)]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False, timeout=PATIENCE_S)
    assert done.returncode == 3
    assert b"audit" in done.stderr


@pytest.mark.parametrize("options", ENDING, ids=["one process", "two workers"])
def test_a_service_whose_settings_cannot_be_used_ends_with_2_and_is_not_started_again(
    options: tuple[str, ...], own_fleet: Workspace
) -> None:
    unusable = {"AFTERCAST_TOKENS__ISSUER": "https://issuer.example", "AFTERCAST_TOKENS__ALGORITHMS": "none"}
    command = [sys.executable, "-m", "aftercast.cli.main", "serve", "--port", "0", *options]
    command += ["-w", str(own_fleet.folder)]
    done = subprocess.run(
        command, stderr=subprocess.PIPE, check=False, timeout=PATIENCE_S, env={**os.environ, **unusable}
    )
    assert done.returncode == 2
    assert b"tokens.algorithms" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("options", ENDING, ids=["one process", "two workers"])
def test_a_service_whose_port_is_taken_ends_with_3(options: tuple[str, ...], own_fleet: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "aftercast.cli.main", "serve", "--port", port, *options]
        command += ["-w", str(own_fleet.folder)]
        done = subprocess.run(command, stderr=subprocess.PIPE, check=False, timeout=PATIENCE_S)
    assert done.returncode == 3


@pytest.mark.slow
def test_a_worker_that_cannot_start_again_does_not_end_the_one_that_answers(own_fleet: Workspace) -> None:
    """The settings were spoilt after the start."""
    _, key = create_key(own_fleet.database, "metrics", ("metrics",))
    with _serving(own_fleet, "--workers", "2") as (process, port):
        figures = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": key})
        _until(lambda: "aftercast_workers 2.0" in figures.get("/metrics").text)
        first, second = (each.pid for each in _workers(process))
        own_fleet.path("aftercast.toml").write_text("[nonsense]\n")
        os.kill(first, signal.SIGKILL)
        later: set[int] = set()

        def started_again_twice() -> bool:
            later.update(each.pid for each in _workers(process))
            return len(later - {first, second}) > 1

        _until(started_again_twice)
        assert second in {each.pid for each in _workers(process)}
        assert figures.get("/health").status_code == 200
        figures.close()
        process.terminate()
        process.wait(PATIENCE_S)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Workers of a service; multiprocessing's tracker of resources is none."""
    return [each for each in psutil.Process(process.pid).children() if "spawn_main" in _words(each)]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it ended meanwhile
        return ""
