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


def write_rows(folder: Path, table: str, rows: Sequence[Row]) -> int:
    """Write rows (times in microseconds, None for missing) as ``<table>.parquet``; return their number."""
    columns = TABLES[table].columns
    schema = pa.schema([(column.name, TYPES[column.kind]) for column in columns])
    arrays = [pa.array([row.get(c.name) for row in rows], type=TYPES[c.kind]) for c in columns]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), folder / f"{table}.parquet")
    return len(rows)


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
