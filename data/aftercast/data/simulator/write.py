"""Writes rows as parquet in the contract's columns and types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.data.contract import TABLES
from aftercast.data.kinds import KINDS
from aftercast.data.simulator.config import SENSORS
from aftercast.data.simulator.fleet import Floats, Ints

TIME = KINDS["time"].arrow
Row = dict[str, Any]


def rows_table(table: str, rows: Sequence[Row]) -> pa.Table:
    """Return rows (times in microseconds, None for missing) in the contract's columns."""
    columns = TABLES[table].columns
    schema = pa.schema([(column.name, KINDS[column.kind].arrow) for column in columns])
    arrays = [pa.array([row.get(c.name) for row in rows], type=KINDS[c.kind].arrow) for c in columns]
    return pa.Table.from_arrays(arrays, schema=schema)


class Growing:
    """Parquet files of a folder that grow by row groups; a context, which closes them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def append(self, name: str, content: pa.Table) -> None:
        """Append rows to ``<name>.parquet``, which is begun anew by the first call."""
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self.folder / f"{name}.parquet", content.schema)
        self._writers[name].write_table(content)


class Tables(Growing):
    """The tables written: ``<table>.parquet``, or ``<table>/part-XXXX.parquet`` for large ones.

    Attributes
    ----------
    counts
        Rows written of each table.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.counts: dict[str, int] = dict.fromkeys(TABLES, 0)
        for table in TABLES:
            (folder / f"{table}.parquet").unlink(missing_ok=True)
            for old in (folder / table).glob("part-*.parquet"):
                old.unlink()

    def append(self, name: str, content: pa.Table) -> None:
        """Append rows to a table that is one file."""
        super().append(name, content)
        self.counts[name] += len(content)

    def part(self, table: str, number: int, content: pa.Table) -> None:
        """Write one part of a large table."""
        place = self.folder / table
        place.mkdir(parents=True, exist_ok=True)
        pq.write_table(content, place / f"part-{number:04d}.parquet")
        self.counts[table] += len(content)


def telemetry_table(name: str, event: Ints, available: Ints, values: Floats) -> pa.Table:
    """Return one device's telemetry."""
    ids = pa.DictionaryArray.from_arrays(np.zeros(len(event), dtype=np.int32), [name]).cast(pa.string())
    columns = {"device_id": ids, "event_time": pa.array(event).cast(TIME)}
    columns |= {sensor: pa.array(values[:, at]) for at, sensor in enumerate(SENSORS)}
    return pa.table(columns | {"available_at": pa.array(available).cast(TIME)})
