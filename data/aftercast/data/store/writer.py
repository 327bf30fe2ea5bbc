"""The one writer of the store: what it appends becomes visible together, at its clean end, or never."""

from __future__ import annotations

from dataclasses import replace

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
from aftercast.data.store.reading import Selection, files_of, history_of, read_table
from aftercast.data.store.withdrawals import WITHDRAWALS, Withdrawals
from aftercast.operations.database.store_versions import Published, TableState
from aftercast.operations.errors import StoreError


class StoreWriter:
    """Appends to history tables; made by ``Store.writing`` only.

    Parameters
    ----------
    address
        Where the tables lie.
    base
        The published version this writer adds to.

    Attributes
    ----------
    published
        The version it published, set at its clean end; None where it had nothing to publish.
    """

    def __init__(self, address: str, device_buckets: int, base: Published, import_id: str) -> None:
        self.address = address
        self.device_buckets = device_buckets
        self.import_id = import_id
        self.base = base
        self.published: int | None = None
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
        before = self.states.get(name, TableState(0, 0))
        files = history_of(self.address, table, before.generation)
        if files.latest() is None:
            files.create(base_schema(table))
        version = files.append(self._arrow(table, frame))
        self.states[name] = TableState(version, before.rows + len(frame), before.generation)
        self._observe(table, frame)
        return len(frame)

    def compact(self) -> None:
        """Merge the small files of what was appended to, so that many small imports read like one."""
        for name, state in self.states.items():
            if state != self.base.tables.get(name):
                version = history_of(self.address, stored_table(name), state.generation).compact()
                self.states[name] = replace(state, delta=version)

    def check(self) -> None:
        """Compare what was appended with the files; raises StoreError where another writer changed them meanwhile."""
        for name, state in self.states.items():
            if state != self.base.tables.get(name):
                rows = history_of(self.address, stored_table(name), state.generation).rows(state.delta)
                if rows != state.rows:
                    raise StoreError(
                        f"Another writer changed table '{name}' meanwhile: it has {rows:,} rows, not {state.rows:,}.",
                        "Run the import again, one at a time; nothing of it is visible.",
                    )

    def read(self, name: str, wanted: Selection) -> pd.DataFrame:
        """Every row as this writer sees it, withdrawn ones and its own included; columns may name the private ones."""
        return self._read(name, wanted, None)

    def read_believed(self, name: str, wanted: Selection) -> pd.DataFrame:
        """As :meth:`read`, without what was taken back."""
        return self._read(name, wanted, self.withdrawals(name))

    def withdrawals(self, name: str) -> Withdrawals:
        """Withdrawals of a table, those of this writer included."""
        return Withdrawals.of(stored_table(name), self.read(WITHDRAWALS.name, Selection(ordered=False)))

    def _read(self, name: str, wanted: Selection, withdrawals: Withdrawals | None) -> pd.DataFrame:
        state = self.states.get(name)
        return read_table(self.address, stored_table(name), state, wanted, self.device_buckets, withdrawals=withdrawals)

    def attribute_kinds(self, name: str) -> dict[str, Kind]:
        """Kinds in which the columns that the contract does not list are stored already."""
        state = self.states.get(name)
        if state is None:
            return {}
        table = stored_table(name)
        return open_kinds(files_of(self.address, table, state).schema, table)

    def _arrow(self, table: Table, frame: pd.DataFrame) -> pa.Table:
        data = to_arrow(table, frame)
        data = data.append_column(ROW, pa.array(row_hashes(frame)))
        data = data.append_column(IMPORT, pa.array([self.import_id] * len(frame), pa.string()))
        if table.name == BUCKETED:
            data = data.append_column(BUCKET, pa.array(bucket_of(frame["device_id"], self.device_buckets)))
        positions = sort_order(data, table)
        return data if positions is None else data.take(positions)

    def _observe(self, table: Table, frame: pd.DataFrame) -> None:
        if table.event_time is None:
            return
        latest = [frame[name].max() for name in (table.event_time, *table.until) if name in frame.columns]
        seen = [moment for moment in (self._events_until, *latest) if moment is not None and not pd.isna(moment)]
        self._events_until = max(seen, default=None)
