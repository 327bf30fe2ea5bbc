"""Thousands of requests of every kind leave the process with the descriptors, threads and memory that it had."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import Snapshot, snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot, save_snapshot
from aftercast.operations.database.keys import create_key

PATIENCE_S = 60.0
MIXED, LIGHT = 1_600, 6_000
BYTES_A_REQUEST = 1_500
"""Far above what an allocator keeps by chance over so many requests, below any answer or log line that would stay."""
DATABASE = 16
"""Most descriptors of the database: its pool keeps five connections of up to three files each, and shares one more."""
RELOADS = 8
POOLS = 4
"""So many threads or descriptors more are no leak: pools open one when two need it at once for the first time. One lost
at every reload would be eight, and one at every hundredth request sixteen."""
RISK = "/v1/failure-risk"
Request = tuple[int, str, str, Any, bool]
"""Status it must have, method, path, body, whether the key is the right one."""


@contextmanager
def _serving(workspace: Workspace, log: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`aftercast serve` as users run it; its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "aftercast.cli.main", "serve", "--port", str(port)]
    environment = {**os.environ, "AFTERCAST_SERVING__REFRESH_EVERY_S": "0.2", "AFTERCAST_SERVING__RATE_LIMIT": ""}
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "-w", str(workspace.folder)], env=environment, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url, process)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended while starting"
        try:
            if httpx.get(f"{url}/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the service did not become ready")


def _light(ids: list[str]) -> list[Request]:
    """Requests that are asked in turn, right ones and refused ones; each takes about a millisecond."""
    one = [(200, "POST", RISK, {"devices": [{"device_id": each}]}, True) for each in ids[:20] * 4]
    others: list[Request] = [
        (200, "POST", RISK, {"devices": [{"device_id": each} for each in ids[:30]], "drivers": 0}, True),
        (422, "POST", RISK, {"devices": [{"device_id": 7}], "unknown": 1}, True),
        (409, "POST", RISK, {"devices": [{"device_id": ids[0]}], "horizon": "900d"}, True),
        (200, "GET", "/v1/model", None, True),
        (401, "GET", "/v1/model", None, False),
        (404, "GET", "/v1/nothing", None, True),
        (200, "GET", "/ready", None, False),
    ]
    return [*one, *others]


def _heavy(ids: list[str], moment: str) -> list[Request]:
    """Requests that are computed in threads, and read the store."""
    telemetry = [{"event_time": moment, "vibration_mm_s": 2.0}]
    return [
        (200, "POST", RISK, {"devices": [{"device_id": ids[0], "telemetry": telemetry}]}, True),
        (200, "POST", RISK, {"devices": [{"device_id": "nobody"}]}, True),
        (200, "GET", f"/v1/devices/{ids[0]}", None, True),
        (404, "GET", "/v1/devices/nobody", None, True),
    ]


def _ask(http: httpx.Client, key: str, mix: list[Request], count: int) -> None:
    for number, (status, method, path, body, right) in zip(range(count), itertools.cycle(mix), strict=False):
        headers = {"X-API-Key": key if right else f"ak_wrong{number}"}
        answered = http.request(method, path, json=body, headers=headers)
        assert answered.status_code == status, f"{method} {path}: {answered.text}"


def _mixed(workspace: Workspace, snapshot: Snapshot, http: httpx.Client, key: str) -> None:
    """Ask everything, while newer rows are saved again and again, which the service takes up."""
    ids = [str(each) for each in snapshot.ids]
    mix = [*_light(ids), *_heavy(ids, snapshot.cutoff.isoformat())]
    for _ in range(RELOADS):
        save_snapshot(snapshot, snapshot_path(workspace.folder, "failure"))
        _ask(http, key, mix, MIXED // RELOADS)


def _held(process: psutil.Process) -> tuple[int, int]:
    """Descriptors but for those of the database, and threads."""
    return process.num_fds() - _of_database(process), process.num_threads()


def _of_database(process: psutil.Process) -> int:
    """Descriptors of the operational database, whose pool opens a connection more whenever two need one at once."""
    return sum(Path(each.path).name.startswith("aftercast.db") for each in process.open_files())


def _settled(process: psutil.Process) -> tuple[int, int]:
    """What the process holds once that has not changed for a second: what was opened for a moment is closed again."""
    held, since, deadline = _held(process), time.monotonic(), time.monotonic() + PATIENCE_S
    while time.monotonic() - since < 1.0 and time.monotonic() < deadline:
        time.sleep(0.1)
        now = _held(process)
        held, since = (held, since) if now == held else (now, time.monotonic())
    return held


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_requests_and_reloads_neither_lose_descriptors_or_threads_nor_take_memory(
    own_fleet: Workspace, tmp_path: Path
) -> None:
    snapshot = load_snapshot(snapshot_path(own_fleet.folder, "failure"))
    _, key = create_key(own_fleet.database, "soak", ("predict",))
    with (
        _serving(own_fleet, tmp_path / "service.log") as (url, process),
        httpx.Client(base_url=url, timeout=PATIENCE_S) as http,
    ):
        _mixed(own_fleet, snapshot, http, key)
        before = _settled(process)
        _mixed(own_fleet, snapshot, http, key)
        after, of_database = _settled(process), _of_database(process)
        light = _light([str(each) for each in snapshot.ids])
        _ask(http, key, light, LIGHT // 10)
        memory = process.memory_info().rss
        _ask(http, key, light, LIGHT)
        growth = process.memory_info().rss - memory
    assert after[0] <= before[0] + POOLS, f"{before[0]} descriptors before, {after[0]} afterwards"
    assert after[1] <= before[1] + POOLS, f"{before[1]} threads before, {after[1]} afterwards"
    assert of_database <= DATABASE
    assert growth / LIGHT < BYTES_A_REQUEST
