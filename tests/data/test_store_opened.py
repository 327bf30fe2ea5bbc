"""A version of a table is opened once: whoever reads it again neither reads the log nor takes threads for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.store import Store, delta
from aftercast.operations.clocks import TIME_DTYPE

START = pd.Timestamp("2024-02-01", tz="UTC")


def write(store: Store, hour: int, volt: float) -> None:
    devices = [f"d{i}" for i in range(12)]
    moments = pd.Series([START + pd.Timedelta(hours=hour)] * len(devices)).astype(TIME_DTYPE)
    frame = pd.DataFrame({"device_id": pd.Series(devices, dtype="str"), "event_time": moments, "available_at": moments})
    with store.writing() as writer:
        writer.append("telemetry", frame.assign(volt=volt))


def volts(store: Store) -> set[float]:
    return set(store.read("telemetry", device_ids=["d1"])["volt"])


def test_a_copy_put_in_the_place_of_a_store_is_read_although_its_versions_have_the_same_numbers(
    make_store: Callable[[str], Store], tmp_path: Path
) -> None:
    def written(hour: int, volt: float) -> set[float]:
        store = make_store("place")
        write(store, hour, volt)
        found = volts(store)
        store.database.dispose()  # a database is copied closed
        return found

    written(0, 1.0)
    shutil.copytree(tmp_path / "place", tmp_path / "copy")
    assert written(1, 2.0) == {1.0, 2.0}
    shutil.rmtree(tmp_path / "place")
    shutil.copytree(tmp_path / "copy", tmp_path / "place")
    assert written(1, 3.0) == {1.0, 3.0}


def test_a_version_is_read_again_without_its_log_but_not_without_its_files(store: Store) -> None:
    for hour in range(3):
        write(store, hour, float(hour))
    assert volts(store) == {0.0, 1.0, 2.0}
    log = Path(store.address, "telemetry", "_delta_log")
    commits = sorted(log.glob("*.json"))
    for commit in commits[:-1]:
        commit.unlink()
    assert volts(store) == {0.0, 1.0, 2.0}
    for file in Path(store.address, "telemetry").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(OSError, match="parquet"):
        volts(store)


def test_a_store_elsewhere_is_read_while_a_local_table_is_being_opened(store: Store) -> None:
    write(store, 0, 1.0)
    elsewhere = Store(f"file://{store.address}", store.database, store.device_buckets)
    with delta._OPENING, ThreadPoolExecutor(1) as pool:
        assert pool.submit(volts, elsewhere).result(timeout=60) == {1.0}


THREADS = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from aftercast.operations.database.engine import open_database
from aftercast.data.store import Store
folder = Path(sys.argv[1])
store = Store(str(folder / "store"), open_database("sqlite:///records.db", folder), 4)
def threads():
    names = []
    for task in os.listdir("/proc/self/task"):
        try:
            names.append(Path("/proc/self/task", task, "comm").read_text().strip())
        except OSError:
            pass  # it has just ended
    return sum(name.startswith("tokio") for name in names)
at_once = int(sys.argv[2])
with ThreadPoolExecutor(at_once) as pool:
    for version in range(1, 25):
        list(pool.map(lambda _: store.read("telemetry", version=version), range(at_once)))
print(threads())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names of threads are read from /proc")
def test_many_readers_at_once_take_no_more_threads_of_the_library_than_one(store: Store) -> None:
    for hour in range(24):
        write(store, hour, float(hour))
    counts = []
    for at_once in ("1", "8"):
        command = [sys.executable, "-c", THREADS, str(Path(store.address).parent), at_once]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        counts.append(int(done.stdout))
    one, many = counts
    assert 0 < many < 1.5 * one, "one opening at a time; some more where a thread was not idle yet"
