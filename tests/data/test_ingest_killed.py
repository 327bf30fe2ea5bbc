"""An import killed at any moment: nothing lost, nothing twice, nothing half visible."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.store import Store

CHILD = """
import os
import signal
import sys
from pathlib import Path
import pandas as pd
from aftercast.data.ingest import Batch, ingest
from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.operations.database.engine import open_database

folder, last_call, delay_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
store = Store(str(folder / "store"), open_database("sqlite:///records.db", folder), 4)
names = [f"d{i}" for i in range(20)]
when = pd.Timestamp("2024-01-01", tz="UTC")
devices = pd.DataFrame({"device_id": names, "device_model": "m", "installed_at": when, "available_at": when})
calls = 0

def batches():
    yield Batch("devices", devices, "devices")
    for day in range(10):
        times = pd.date_range(when + pd.Timedelta(days=day), periods=24, freq="h").repeat(len(names))
        rows = {"device_id": names * 24, "event_time": times, "available_at": times}
        yield Batch("telemetry", pd.DataFrame(rows).assign(volt=range(480), stranger=1.0), f"day {day}")
    failures = {"device_id": ["d1", "dx"], "event_time": when, "available_at": when, "component": "p"}
    yield Batch("failures", pd.DataFrame(failures), "failures")

def count(frame, event, _):
    global calls
    if event != "call" or "aftercast" not in frame.f_code.co_filename:
        return
    calls += 1
    if calls == last_call and delay_s == 0.0:
        os.kill(os.getpid(), signal.SIGKILL)
    if calls == last_call:  # the system ends the process wherever it then is, in foreign code too
        signal.setitimer(signal.ITIMER_REAL, delay_s)

sys.setprofile(count)
ingest(store, batches(), FleetSpec(name="test"), origin="child", rows_at_once=480)
sys.setprofile(None)
print(calls)
"""
WHOLE = 0
"""As the call to die at: none."""


def run(folder: Path, last_call: int = WHOLE, delay_s: float = 0.0) -> subprocess.CompletedProcess[str]:
    """Import in a process of its own that dies at, or a moment after, a call of a function of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-c", CHILD, str(folder), str(last_call), str(delay_s)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def content(store: Store) -> dict[str, pd.DataFrame]:
    return {name: store.read(name) for name in store.tables()}


def assert_whole(store: Store, expected: dict[str, pd.DataFrame]) -> None:
    found = content(store)
    assert store.version() == 1
    assert sorted(found) == sorted(expected)
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame)
    assert store.quarantine()["reason"].tolist() == ["unknown_device"]


@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_an_import_killed_at_any_moment_is_invisible_and_can_be_repeated(
    kills: int, tmp_path: Path, make_store: Callable[[str], Store]
) -> None:
    """Half die at a call, half within 20 ms after it, each in another part of the run; the next goes on there."""
    undisturbed = run(tmp_path / "clean")
    assert undisturbed.returncode == 0, undisturbed.stderr
    calls = int(undisturbed.stdout)
    expected = content(make_store("clean"))
    assert {name: len(frame) for name, frame in expected.items()} == {"devices": 20, "failures": 1, "telemetry": 4800}

    chance = random.Random(11)
    folders = 0
    for kill in range(kills):
        store = make_store(f"killed-{folders}")
        last_call = 1 + int(calls * (kill + chance.random()) / kills)
        delay_s = chance.uniform(0.001, 0.02) if kill % 2 else 0.0
        ended = run(tmp_path / f"killed-{folders}", last_call, delay_s)
        assert ended.returncode in ({-signal.SIGALRM, 0} if delay_s else {-signal.SIGKILL}), ended.stderr
        assert store.version() in {0, 1}
        if store.version() == 1:
            assert_whole(store, expected)
            folders += 1
        else:
            assert all(len(store.read(name)) == 0 for name in expected)
    for each in range(folders + 1):
        repeated = run(tmp_path / f"killed-{each}")
        assert repeated.returncode == 0, repeated.stderr
        assert_whole(make_store(f"killed-{each}"), expected)
