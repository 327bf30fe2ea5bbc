"""Ten thousand requests while the champion changes again and again: none fails, none mixes two models."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.kind import Gate
from aftercast.models.registry.versions import Version, champion_version, load_version, promote
from aftercast.models.scoring.fleet import forecast_rows_of, with_shift
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.models.words.answers import answer
from aftercast.operations.database.keys import create_key

REQUESTS, CALLERS, FLIPS = 10_000, 8, 12
PATIENCE_S = 120.0
HORIZON = "7d"
RegisterChanged = Callable[[Workspace, Callable[[Path], None]], Version]


def _raise_every_risk(folder: Path) -> None:
    """Move the calibration of every booster by one unit of log-odds."""
    told = json.loads((folder / "model.json").read_text())
    for cell in itertools.chain.from_iterable(told["cells"]):
        cell["calibrator"]["offset"] += 1.0
    (folder / "model.json").write_text(json.dumps(told))


def _expected(workspace: Workspace, version: Version) -> dict[str, float]:
    """Probability of every device by a version, made without the service."""
    loaded = load_version(workspace, "failure", version.version)
    rows = with_shift(
        load_snapshot(snapshot_path(workspace.folder, "failure")), loaded, workspace.store, workspace.fleet
    )
    scored = forecast_rows_of(loaded, rows, workspace.fleet)
    found = {}
    for device_id, place in scored.position.items():
        probability = answer(scored.forecast(place, 0), HORIZON).probability
        assert probability is not None
        found[device_id] = probability
    return found


@contextmanager
def _serving(workspace: Workspace, port: int, log: Path) -> Iterator[str]:
    """`aftercast serve` as users run it, looking for newer models often."""
    command = [sys.executable, "-m", "aftercast.cli.main", "serve", "--port", str(port)]
    environment = {**os.environ, "AFTERCAST_SERVING__REFRESH_EVERY_S": "0.2"}
    with log.open("wb") as out:
        process = subprocess.Popen([*command, "-w", str(workspace.folder)], env=environment, stdout=out, stderr=out)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


class _Caller(threading.Thread):
    """Asks about a few devices again and again, and keeps what was wrong."""

    def __init__(
        self, number: int, port: int, key: str, expected: Mapping[str, dict[str, float]], stop: threading.Event
    ) -> None:
        super().__init__(name=f"caller {number}")
        self.answered: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._number, self._port, self._expected, self._stop_asking = number, port, expected, stop
        self._headers = {"X-API-Key": key, "Content-Type": "application/json"}

    def run(self) -> None:
        """Ask until told to stop."""
        line = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        devices = sorted(next(iter(self._expected.values())))
        for turn in itertools.count(self._number):
            if self._stop_asking.is_set():
                break
            asked = [devices[(turn + step) % len(devices)] for step in range(1 + turn % 5)]
            body = {"devices": [_item(each, turn) for each in asked], "horizon": HORIZON, "drivers": turn % 3}
            line.request("POST", "/v1/failure-risk", json.dumps(body), self._headers)
            answered = line.getresponse()
            self._check(asked, answered.status, answered.read(), sent=turn % 50 == 0)
        line.close()

    def _check(self, asked: list[str], status: int, content: bytes, *, sent: bool) -> None:
        if status != 200:
            self.wrong.append(f"status {status}: {content!r}")
            return
        told = json.loads(content)
        model, results = told["model"], told["results"]
        self.answered[model["version"]] += 1
        if [each["device_id"] for each in results] != asked or any(each["model"] != model for each in results):
            self.wrong.append(f"mixed: {content!r}")
            return
        found = {each["device_id"]: each["probability"] for each in results}
        theirs = self._expected[model["version"]]
        if not sent and any(found[each] != pytest.approx(theirs[each], abs=1e-12) for each in asked):
            self.wrong.append(f"figures of another model: {content!r}")


def _item(device_id: str, turn: int) -> dict[str, Any]:
    """Device to ask about; of every fiftieth question it brings a record, so that its features are made anew."""
    fault = {"event_time": "2020-01-01T00:00:00Z", "code": "E1"}
    return {"device_id": device_id, "faults": [fault]} if turn % 50 == 0 else {"device_id": device_id}


def _answering(url: str, key: str, device_id: str) -> str:
    """Version that answers now."""
    body = {"devices": [{"device_id": device_id}]}
    answered = httpx.post(f"{url}/v1/failure-risk", json=body, headers={"X-API-Key": key}, timeout=PATIENCE_S)
    return str(answered.raise_for_status().json()["model"]["version"])


def _wait_for(url: str, key: str, device_id: str, version: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while _answering(url, key, device_id) != version:
        assert time.monotonic() < deadline, f"version {version} never answered"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_thousand_requests_across_changes_of_the_champion(
    own_fleet: Workspace, register_changed: RegisterChanged, tmp_path: Path
) -> None:
    first = champion_version(own_fleet, "failure")
    second = register_changed(own_fleet, _raise_every_risk)
    assert first is not None
    expected = {each.version: _expected(own_fleet, each) for each in (first, second)}
    device_id = next(iter(expected[first.version]))
    assert expected[first.version][device_id] < expected[second.version][device_id]
    _, key = create_key(own_fleet.database, "callers", ("predict",), rate_limit="1000000/minute")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    stop = threading.Event()
    callers = [_Caller(number, port, key, expected, stop) for number in range(CALLERS)]
    with _serving(own_fleet, port, tmp_path / "service.log") as url:
        _wait_ready(url)
        for caller in callers:
            caller.start()
        try:
            for version in itertools.islice(itertools.cycle((second, first)), FLIPS):
                promote(own_fleet, version, Gate(passed=True, why="asked for."))
                _wait_for(url, key, device_id, version.version)
            while sum(each.answered.total() + len(each.wrong) for each in callers) < REQUESTS:
                time.sleep(0.05)
        finally:
            stop.set()
            for caller in callers:
                caller.join()
    assert [wrong for each in callers for wrong in each.wrong] == []
    answered = sum((each.answered for each in callers), Counter())
    assert answered.total() >= REQUESTS
    assert min(answered[first.version], answered[second.version]) > CALLERS * FLIPS


def _wait_ready(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if httpx.get(f"{url}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "the service did not become ready"
        time.sleep(0.1)
