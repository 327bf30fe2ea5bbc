"""What many small imports cost: files merged and versions kept open, as the store does it, beside neither.

A drain stores a few records a device every half a minute. After so many of them: how many files a reader opens, how
long the next import takes, and how long the telemetry of one device takes to read, alone and eight at once.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
from benchmarks.harness import keep
from deltalake import DeltaTable
from rich.console import Console
from rich.table import Table

from aftercast.data.store import Store, StoreWriter
from aftercast.data.store.delta import DeltaHistory
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.operations.database.engine import open_database

DEVICES: Final = [f"device-{i:03d}" for i in range(100)]
START: Final = pd.Timestamp("2024-01-01", tz="UTC")
SOME: Final = 9
"""Times of which the median is shown."""
AT_ONCE: Final = 8


def main() -> None:
    """Import, measure at each count, print all ways and write them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks small-imports", description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[25, 100, 400, 1000], help="imports to measure after")
    counts = sorted(parser.parse_args().counts)
    found = {"aftercast, merged": run(counts)}
    with patch.object(DeltaHistory, "scan", open_anew):
        found["opened anew"] = run(counts)
    with patch.object(StoreWriter, "compact", lambda _writer: None):
        found["never merged"] = run(counts)
    show(found)
    print(f"Written to {keep('small_imports', {'found': found})}")


def open_anew(history: DeltaHistory, version: int) -> ds.Dataset:
    """Files of a version as the Delta library gives them, which replays the log and reads the files itself."""
    return DeltaTable(history.address, version=version).to_pyarrow_dataset()


def run(counts: list[int]) -> list[dict[str, float]]:
    """Figures after each count of imports."""
    out = []
    with tempfile.TemporaryDirectory(prefix="aftercast-small-") as name:
        store = Store(str(Path(name) / "store"), open_database("sqlite:///records.db", Path(name)), 8)
        done = 0
        for count in counts:
            taken = [_timed(partial(add, store, number)) for number in range(done, count)]
            done = count
            reading = [_timed(partial(read, store, device_id, count)) for device_id in DEVICES[:SOME]]
            files = len(DeltaTable(f"{store.address}/telemetry").file_uris())
            bytes_ = sum(path.stat().st_size for path in Path(store.address).rglob("*") if path.is_file())
            out.append(
                {
                    "imports": count,
                    "files": files,
                    "import_ms": statistics.median(taken[-SOME:]) * 1e3,
                    "slowest_import_ms": max(taken[-SOME:]) * 1e3,
                    "read_ms": statistics.median(reading) * 1e3,
                    "read_at_once_ms": statistics.median(_at_once(store, count)) * 1e3,
                    "disk_mb": bytes_ / 2**20,
                }
            )
    return out


def add(store: Store, number: int) -> None:
    """One import: an hour of every device."""
    moments = pd.Series([START + number * pd.Timedelta(hours=1)] * len(DEVICES)).astype(TIME_DTYPE)
    values = np.random.default_rng(number).normal(size=(len(DEVICES), 4))
    frame = pd.DataFrame({"device_id": pd.Series(DEVICES, dtype="str"), "event_time": moments, "available_at": moments})
    with store.writing() as writer:
        writer.append("telemetry", frame.assign(**{f"sensor_{i}": values[:, i] for i in range(values.shape[1])}))


def read(store: Store, device_id: str, count: int) -> None:
    """Read one device, which must have a record of every import."""
    rows = len(store.read("telemetry", device_ids=[device_id]))
    if rows != count:
        raise RuntimeError(f"{rows} rows instead of {count}")


def _at_once(store: Store, count: int) -> list[float]:
    """Seconds of each reading while :data:`AT_ONCE` of them run all the time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda device_id: _timed(partial(read, store, device_id, count)), DEVICES))


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(found: dict[str, list[dict[str, float]]]) -> None:
    """Print all ways side by side."""
    table = Table(title=f"{len(DEVICES)} devices, an hour of each an import, 8 parts; medians")
    for heading in (
        "way",
        "imports",
        "files",
        "an import, ms",
        "slowest of them",
        "read a device, ms",
        f"{AT_ONCE} at once",
        "disk, MB",
    ):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for way, rows in found.items():
        for row in rows:
            whole = (f"{row['imports']:,}", f"{row['files']:,}")
            table.add_row(way, *whole, *(f"{value:,.0f}" for value in list(row.values())[2:]))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
