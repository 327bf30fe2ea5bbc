"""Where history lives: our store on Delta tables beside DuckDB, SQLite and a folder of Parquet files.

Each takes the same hourly telemetry in ten portions (append), takes it all again without storing anything twice
(again), and gives back what was known at the middle of the year (as of). Ours also parses and checks every cell.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from benchmarks.harness import Contestant, Row, measure, report

from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.data.ingest import Batch, ingest
from aftercast.data.store import Store
from aftercast.operations.database.engine import open_database

DEVICES: Final = 114
HOURS: Final = 8760
PORTIONS: Final = 10
SENSORS: Final = ("volt", "rotate", "pressure", "vibration")
KEY: Final = ("device_id", "event_time", "available_at")
START: Final = pd.Timestamp("2024-01-01", tz="UTC")
AS_OF: Final = START + pd.Timedelta(hours=HOURS // 2)
SPEC: Final = FleetSpec(name="bench", sensors=tuple(Sensor(name=name, low=-100, high=100) for name in SENSORS))
INPUT: Final = "input.parquet"

GUARANTEES: Final = {
    "aftercast": "refuses bad cells; every version readable; readers never wait; a killed import is invisible",
    "duckdb": "a killed import is invisible; one process at a time, readers included; no earlier versions",
    "sqlite": "a killed import is invisible; readers beside one writer (WAL); no earlier versions",
    "parquet": "none: a killed import is half visible; readers see half of a write; no earlier versions",
}


def make_input(folder: Path) -> None:
    """Write the telemetry every contestant takes: DEVICES x HOURS rows in order of time."""
    rng = np.random.default_rng(7)
    times = pd.date_range(START, periods=HOURS, freq="h").as_unit("us").repeat(DEVICES)
    ids = np.tile([f"device-{i:04d}" for i in range(DEVICES)], HOURS)
    values = {name: rng.normal(size=len(ids)) for name in SENSORS}
    frame = pd.DataFrame({"device_id": ids, "event_time": times, "available_at": times, **values})
    frame.to_parquet(folder / INPUT, index=False)


def portions(folder: Path) -> Iterator[pd.DataFrame]:
    """Read the input in PORTIONS parts."""
    frame = pd.read_parquet(folder / INPUT)
    size = -(-len(frame) // PORTIONS)
    for first in range(0, len(frame), size):
        yield frame.iloc[first : first + size]


def _store(folder: Path) -> Store:
    return Store(str(folder / "store"), open_database("sqlite:///records.db", folder), 8)


def aftercast_append(folder: Path) -> int:
    """Import the input; returns the rows stored."""
    ids = [f"device-{i:04d}" for i in range(DEVICES)]
    devices = pd.DataFrame({"device_id": ids, "device_model": "m", "installed_at": START, "available_at": START})
    telemetry = (Batch("telemetry", part, "input", i) for i, part in enumerate(portions(folder)))
    ingest(_store(folder), (batch for part in ([Batch("devices", devices, "devices")], telemetry) for batch in part),
           SPEC, origin="bench")  # fmt: skip
    return _store(folder).tables()["telemetry"]


def aftercast_as_of(folder: Path) -> int:
    """Read what was known at AS_OF; returns the rows."""
    return len(_store(folder).read("telemetry", known_at=AS_OF))


def duckdb_append(folder: Path) -> int:
    """Insert with a primary key, in one transaction."""
    columns = ", ".join(f"{name} DOUBLE" for name in SENSORS)
    with duckdb.connect(str(folder / "history.duckdb"), config={"threads": 1}) as base:
        base.execute(
            "CREATE TABLE IF NOT EXISTS telemetry (device_id VARCHAR, event_time TIMESTAMPTZ, "
            f"available_at TIMESTAMPTZ, {columns}, PRIMARY KEY ({', '.join(KEY)}))"
        )
        base.execute("BEGIN")
        for part in portions(folder):
            base.register("part", pa.Table.from_pandas(part, preserve_index=False))
            base.execute("INSERT INTO telemetry SELECT * FROM part ON CONFLICT DO NOTHING")
        base.execute("COMMIT")
        return int(base.execute("SELECT count(*) FROM telemetry").fetchall()[0][0])


def duckdb_as_of(folder: Path) -> int:
    """Select what was known at AS_OF, sorted by key."""
    query = "SELECT * FROM telemetry WHERE available_at <= ? ORDER BY device_id, event_time, available_at"
    with duckdb.connect(str(folder / "history.duckdb"), config={"threads": 1}) as base:
        return len(base.execute(query, [AS_OF.to_pydatetime()]).to_arrow_table().to_pandas())


def sqlite_append(folder: Path) -> int:
    """Insert with a primary key, in one transaction; times are microseconds."""
    columns = ", ".join(f"{name} REAL" for name in SENSORS)
    marks = ", ".join("?" * (len(KEY) + len(SENSORS)))
    with contextlib.closing(sqlite3.connect(folder / "history.sqlite")) as base, base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute(
            "CREATE TABLE IF NOT EXISTS telemetry (device_id TEXT, event_time INTEGER, available_at INTEGER, "
            f"{columns}, PRIMARY KEY ({', '.join(KEY)})) WITHOUT ROWID"
        )
        for part in portions(folder):
            base.executemany(f"INSERT OR IGNORE INTO telemetry VALUES ({marks})", _plain(part))
        return int(base.execute("SELECT count(*) FROM telemetry").fetchone()[0])


def _plain(part: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    times = [pd.DatetimeIndex(part[name]).as_unit("us").asi8.tolist() for name in KEY[1:]]
    return zip(part["device_id"].tolist(), *times, *(part[name].tolist() for name in SENSORS), strict=True)


def sqlite_as_of(folder: Path) -> int:
    """Select what was known at AS_OF, sorted by key."""
    query = "SELECT * FROM telemetry WHERE available_at <= ? ORDER BY device_id, event_time, available_at"
    with contextlib.closing(sqlite3.connect(folder / "history.sqlite")) as base:
        frame = pd.read_sql_query(query, base, params=(AS_OF.value // 1000,))
    for name in KEY[1:]:
        frame[name] = pd.to_datetime(frame[name], unit="us", utc=True)
    return len(frame)


def parquet_append(folder: Path) -> int:
    """Compare with the keys on disk, then write one file a portion."""
    target = folder / "parquet"
    target.mkdir(exist_ok=True)
    for number, part in enumerate(portions(folder)):
        limits = (ds.field("event_time") >= part["event_time"].min()) & (
            ds.field("event_time") <= part["event_time"].max()
        )
        files = sorted(target.glob("*.parquet"))
        if files:
            there = ds.dataset(files).to_table(columns=list(KEY), filter=limits).to_pandas()
            known = part[list(KEY)].merge(there, how="left", on=list(KEY), indicator=True)["_merge"] == "both"
            part = part[~np.asarray(known)]  # noqa: PLW2901
        if len(part) > 0:
            pq.write_table(
                pa.Table.from_pandas(part, preserve_index=False), target / f"{number:04d}.parquet", compression="zstd"
            )
    return int(ds.dataset(sorted(target.glob("*.parquet"))).count_rows())


def parquet_as_of(folder: Path) -> int:
    """Scan what was known at AS_OF, sorted by key."""
    files = ds.dataset(sorted((folder / "parquet").glob("*.parquet")))
    frame = files.to_table(filter=ds.field("available_at") <= pa.scalar(AS_OF.to_pydatetime())).to_pandas()
    return len(frame.sort_values(list(KEY), ignore_index=True))


WAYS: Final[dict[str, tuple[Callable[[Path], int], Callable[[Path], int]]]] = {
    "aftercast": (aftercast_append, aftercast_as_of),
    "duckdb": (duckdb_append, duckdb_as_of),
    "sqlite": (sqlite_append, sqlite_as_of),
    "parquet": (parquet_append, parquet_as_of),
}


class CheckRows:
    """Fails a contestant that stored or read another number of rows than wanted."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted

    def __call__(self, found: int) -> None:
        """Compare."""
        if found != self.wanted:
            raise RuntimeError(f"{found} rows instead of {self.wanted}")


def main() -> None:
    """Run every contestant and print the table."""
    rows: list[Row] = []
    everything, half = DEVICES * HOURS, DEVICES * (HOURS // 2 + 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_input(folder)
        for way, (append, as_of) in WAYS.items():
            for what, run, repeats, wanted in (
                ("append", append, 1, everything),
                ("append again", append, 1, everything),
                ("read as of", as_of, 3, half),
            ):
                row = measure(Contestant(f"{way}: {what}", run, (folder,), keep=CheckRows(wanted)), repeats)
                rows.append(replace(row, details={"guarantees": GUARANTEES[way]}))
    report("store", rows, f"{everything:,} hourly rows, {len(SENSORS)} sensors, {PORTIONS} portions, one thread")


if __name__ == "__main__":
    main()
