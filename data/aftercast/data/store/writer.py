"""The one writer of the store: what it appends becomes visible together, at its clean end, or never."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from aftercast.data.contract import Kind, Table
from aftercast.data.store.hashing import bucket_of
from aftercast.data.store.layout import (
    BUCKET,
    BUCKETED,
    IMPORT,
    ROW,
    base_schema,
    open_kinds,
    row_hashes,
    sort_order,
    stored_table,
    to_arrow,
)
from aftercast.data.store.quarantine import QUARANTINE
from aftercast.data.store.reading import Selection, history_of, read_table
from aftercast.operations.database.store_versions import Published, TableState


class StoreWriter:
    """Appends to history tables; made by ``Store.writing`` only.

    Parameters
    ----------
    address
        Where the tables lie.
    base
        The published version this writer adds to.
    """

    def __init__(self, address: str, device_buckets: int, base: Published, import_id: str) -> None:
        self.address = address
        self.device_buckets = device_buckets
        self.import_id = import_id
        self.base = base
        self.states: dict[str, TableState] = dict(base.tables)
        self._events_until: pd.Timestamp | None = None
        self._declared_until: pd.Timestamp | None = None

    @property
    def changed(self) -> bool:
        """Whether there is anything to publish: rows, or a longer time that was observed."""
        return self.states != dict(self.base.tables) or self.observed_until != self.base.observed_until

    @property
    def observed_until(self) -> pd.Timestamp | None:
        """Latest of what the base observed and what this writer declares, else holds."""
        here = self._declared_until if self._declared_until is not None else self._events_until
        known = [moment for moment in (self.base.observed_until, here) if moment is not None]
        return max(known, default=None)

    def covers(self, until: pd.Timestamp) -> None:
        """Declare that everything up to an instant (UTC) is told by what is appended."""
        if self._declared_until is None or until > self._declared_until:
            self._declared_until = until

    def append(self, name: str, frame: pd.DataFrame) -> int:
        """Append typed rows that were checked already; returns how many.

        Raises
        ------
        StoreError
            If there is no table of this name.
        """
        table = stored_table(name)
        if len(frame) == 0:
            return 0
        files = history_of(self.address, table)
        if files.latest() is None:
            files.create(base_schema(table))
        version = files.append(self._arrow(table, self._sorted(table, frame)))
        before = self.states[name].rows if name in self.states else 0
        self.states[name] = TableState(version, before + len(frame))
        self._observe(table, frame)
        return len(frame)

    def compact(self) -> None:
        """Merge the small files of what was appended to, so that many small imports read like one."""
        for name, state in self.states.items():
            if state != self.base.tables.get(name):
                version = history_of(self.address, stored_table(name)).compact()
                self.states[name] = TableState(version, state.rows)

    def read(self, name: str, wanted: Selection) -> pd.DataFrame:
        """Rows as this writer sees them, its own included; columns may name the private ones."""
        table = stored_table(name)
        return read_table(self.address, table, self.states.get(name), wanted, self.device_buckets)

    def attribute_kinds(self, name: str) -> dict[str, Kind]:
        """Kinds in which the columns that the contract does not list are stored already."""
        state = self.states.get(name)
        if state is None:
            return {}
        table = stored_table(name)
        return open_kinds(history_of(self.address, table).scan(state.delta).schema, table)

    def _sorted(self, table: Table, frame: pd.DataFrame) -> pd.DataFrame:
        positions = sort_order(frame, [*table.key, "available_at"])
        return frame if positions is None else frame.take(positions)

    def _arrow(self, table: Table, frame: pd.DataFrame) -> pa.Table:
        data = to_arrow(table, frame)
        data = data.append_column(ROW, pa.array(row_hashes(frame)))
        data = data.append_column(IMPORT, pa.array([self.import_id] * len(frame), pa.string()))
        if table.name == BUCKETED:
            data = data.append_column(BUCKET, pa.array(bucket_of(frame["device_id"], self.device_buckets)))
        return data

    def _observe(self, table: Table, frame: pd.DataFrame) -> None:
        if table.event_time is None or table.name == QUARANTINE.name:
            return
        latest = [frame[name].max() for name in (table.event_time, *table.until) if name in frame.columns]
        seen = [moment for moment in (self._events_until, *latest) if moment is not None and not pd.isna(moment)]
        self._events_until = max(seen, default=None)
