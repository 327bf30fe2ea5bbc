"""The one writer of the store: what it appends becomes visible together, at its clean end, or never."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow as pa

from aftercast.data.contract import TABLES, Kind, Table
from aftercast.data.store.coverage import Month, add_months, count_months, followed_until
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
        self._declared_until: pd.Timestamp | None = None

    @property
    def changed(self) -> bool:
        """Whether there is anything to publish: rows, or a longer time that was observed."""
        return self.states != dict(self.base.tables) or self.observed_until != self.base.observed_until

    @property
    def observed_until(self) -> pd.Timestamp | None:
        """Latest instant until which a table of events was followed, or that was observed before."""
        ends = [followed_until(state) for name, state in self.states.items() if stored_table(name).event_time]
        known = [moment for moment in (self.base.observed_until, self._declared_until, *ends) if moment is not None]
        return max(known, default=None)

    def covers(self, until: pd.Timestamp) -> None:
        """Declare that everything up to an instant (UTC) is told by what is appended from now on, and not more."""
        if self._declared_until is None or until > self._declared_until:
            self._declared_until = until
        for name in self.states:
            self._declare(name)

    def _declare(self, name: str) -> None:
        """Note in the state of a table until when it was declared to tell everything."""
        state, until = self.states[name], self._declared_until
        if until is None or name not in TABLES:
            return
        text = until.tz_convert("UTC").tz_localize(None).isoformat()
        if state.declared_until is None or pd.Timestamp(state.declared_until) < pd.Timestamp(text):
            self.states[name] = replace(state, declared_until=text)

    def append(self, name: str, frame: pd.DataFrame, told: pd.Series | None = None) -> int:
        """Append typed rows that were checked already; returns how many.

        Parameters
        ----------
        told
            Instants (UTC) until which rows of standing facts tell how things are; by default nothing is known of that.

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
        months = add_months(before.months, self._months(table, frame, told))
        self.states[name] = replace(before, delta=version, rows=before.rows + len(frame), months=months)
        self._declare(name)
        return len(frame)

    def dates(self, name: str, available_after: pd.Timedelta) -> None:
        """Note how long after their events the rows of a stored table without a clock of their own were dated."""
        if name in self.states:
            self.states[name] = replace(self.states[name], available_after_s=available_after.total_seconds())

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

    def _months(self, table: Table, frame: pd.DataFrame, told: pd.Series | None) -> dict[str, Month]:
        """Count by month what rows tell; nothing lies after what was declared."""
        if table.name not in TABLES:
            return {}
        if table.event_time is not None:
            further = [frame[name] for name in table.until if name in frame.columns]
            told = pd.concat([frame[table.event_time], *further]).dropna()
        if told is None or len(told) == 0:
            return {}
        until = self._declared_until
        return count_months(told if until is None else told.where(told <= until, until))
