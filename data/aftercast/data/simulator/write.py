"""Writes rows as parquet in the contract's columns and types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.data.contract import TABLES
from aftercast.data.simulator.config import SENSORS
from aftercast.data.simulator.fleet import Floats, Ints

TIME = pa.timestamp("us", tz="UTC")
TYPES = {
    "text": pa.string(),
    "time": TIME,
    "date": pa.date32(),
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
}
Row = dict[str, Any]


def rows_table(table: str, rows: Sequence[Row]) -> pa.Table:
    """Return rows (times in microseconds, None for missing) in the contract's columns."""
    columns = TABLES[table].columns
    schema = pa.schema([(column.name, TYPES[column.kind]) for column in columns])
    arrays = [pa.array([row.get(c.name) for row in rows], type=TYPES[c.kind]) for c in columns]
    return pa.Table.from_arrays(arrays, schema=schema)


class Tables:
    """The tables written: ``<table>.parquet`` where it fits in memory, ``<table>/part-XXXX.parquet`` where not.

    Attributes
    ----------
    counts
        Rows written of each table.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: dict[str, int] = {}
        for table in TABLES:
            (folder / f"{table}.parquet").unlink(missing_ok=True)
            for old in (folder / table).glob("part-*.parquet"):
                old.unlink()

    def part(self, table: str, number: int, content: pa.Table) -> None:
        """Write one part of a large table."""
        place = self.folder / table
        place.mkdir(parents=True, exist_ok=True)
        pq.write_table(content, place / f"part-{number:04d}.parquet")
        self.counts[table] = self.counts.get(table, 0) + len(content)

    def whole(self, table: str, rows: Sequence[Row]) -> None:
        """Write a small table."""
        pq.write_table(rows_table(table, rows), self.folder / f"{table}.parquet")
        self.counts[table] = len(rows)


def telemetry_table(name: str, event: Ints, available: Ints, values: Floats) -> pa.Table:
    """Return one device's telemetry."""
    ids = pa.DictionaryArray.from_arrays(np.zeros(len(event), dtype=np.int32), [name]).cast(pa.string())
    columns = {"device_id": ids, "event_time": pa.array(event).cast(TIME)}
    columns |= {sensor: pa.array(values[:, at]) for at, sensor in enumerate(SENSORS)}
    return pa.table(columns | {"available_at": pa.array(available).cast(TIME)})


def write_truth(folder: Path, name: str, columns: Mapping[str, Any], times: Sequence[str]) -> None:
    """Write one table of truth; the named columns hold microseconds."""
    arrays = {key: pa.array(value).cast(TIME) if key in times else pa.array(value) for key, value in columns.items()}
    pq.write_table(pa.table(arrays), folder / f"{name}.parquet")
