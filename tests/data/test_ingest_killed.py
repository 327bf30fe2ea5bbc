"""An import killed at any moment: nothing lost, nothing twice, nothing half visible."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.store import Store

CHILD = """
import sys
from pathlib import Path
import pandas as pd
from aftercast.data.batches import Batch
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import ingest
from aftercast.data.records.database import open_database
from aftercast.data.store import Store

folder = Path(sys.argv[1])
store = Store(str(folder / "store"), open_database("sqlite:///records.db", folder), 4)
names = [f"d{i}" for i in range(20)]
when = pd.Timestamp("2024-01-01", tz="UTC")
devices = pd.DataFrame({"device_id": names, "device_model": "m", "installed_at": when, "available_at": when})

def batches():
    yield Batch("devices", devices, "devices")
    for day in range(10):
        times = pd.date_range(when + pd.Timedelta(days=day), periods=24, freq="h").repeat(len(names))
        rows = {"device_id": names * 24, "event_time": times, "available_at": times}
        yield Batch("telemetry", pd.DataFrame(rows).assign(volt=range(480), stranger=1.0), f"day {day}")
    failures = {"device_id": ["d1", "dx"], "event_time": when, "available_at": when, "component": "p"}
    yield Batch("failures", pd.DataFrame(failures), "failures")

print("ready", flush=True)
ingest(store, batches(), FleetSpec(name="test"), origin="child", rows_at_once=480)
"""
KILLS = 10


def start(folder: Path) -> subprocess.Popen[str]:
    """Begin an import in a process of its own and return when it is about to write."""
    folder.mkdir(parents=True, exist_ok=True)
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def end(child: subprocess.Popen[str]) -> int:
    """Wait for a process to be gone."""
    assert child.stdout is not None
    code = child.wait(timeout=60)
    child.stdout.close()
    return code


def content(store: Store) -> dict[str, pd.DataFrame]:
    return {name: store.read(name) for name in store.tables()}


@pytest.mark.slow
def test_an_import_killed_at_any_moment_is_invisible_and_can_be_repeated(
    tmp_path: Path, make_store: Callable[[str], Store]
) -> None:
    undisturbed = start(tmp_path / "clean")
    began = time.monotonic()
    assert end(undisturbed) == 0
    duration = time.monotonic() - began
    expected = content(make_store("clean"))
    assert {name: len(frame) for name, frame in expected.items()} == {"devices": 20, "failures": 1, "telemetry": 4800}

    chance = random.Random(11)
    store = make_store("killed")
    killed = 0
    for _ in range(KILLS):
        child = start(tmp_path / "killed")
        time.sleep(chance.uniform(0.0, duration))
        os.kill(child.pid, signal.SIGKILL)
        killed += end(child) == -signal.SIGKILL
        assert store.version() in {0, 1}
        if store.version() == 0:
            assert all(len(store.read(name)) == 0 for name in expected)
    assert killed > 0
    assert end(start(tmp_path / "killed")) == 0

    found = content(store)
    assert store.version() == 1
    assert sorted(found) == sorted(expected)
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(found[name], frame)
    assert store.quarantine()["reason"].tolist() == ["unknown_device"]
