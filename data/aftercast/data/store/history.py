"""The store as everyone sees it: published versions to read, one writer at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from deltalake.exceptions import DeltaError
from sqlalchemy import Engine

from aftercast.data.contract import TABLES
from aftercast.data.store.coverage import Span, followed_until, span_of
from aftercast.data.store.hashing import bucket_of
from aftercast.data.store.layout import OWN_TABLES, stored_table
from aftercast.data.store.locks import exclusive
from aftercast.data.store.quarantine import QUARANTINE
from aftercast.data.store.reading import Selection, count_rows, history_of, read_table
from aftercast.data.store.withdrawals import WITHDRAWALS, Withdrawals
from aftercast.data.store.writer import StoreWriter
from aftercast.operations.database.store_versions import (
    Published,
    TableState,
    find_version,
    list_versions,
    newest_version,
    publish,
)
from aftercast.operations.errors import StoreError


class Store:
    """Append-only, versioned history.

    Every published version stays readable. Readers never wait for the writer and never see what it has not
    published; a writer that dies leaves nothing visible.

    Parameters
    ----------
    address
        Folder of the tables, or an object-store address. One writer works at a time: a file lock keeps others from
        a folder, a lease in the operational database from an object store.
    database
        Operational database that names the published versions.
    device_buckets
        Into how many parts telemetry is split by device; fixed for the life of the store.
    """

    def __init__(self, address: str, database: Engine, device_buckets: int) -> None:
        self.address = address
        self.database = database
        self.device_buckets = device_buckets

    def version(self) -> int:
        """Newest published version; 0 for a store without any."""
        return self._published(None).version

    def versions(self) -> pd.DataFrame:
        """Every published version, oldest first: version, published_at, import_id, tables (name -> rows)."""
        found = list_versions(self.database)
        return pd.DataFrame(
            {
                "version": [item.version for item in found],
                "published_at": pd.to_datetime([item.published_at for item in found], utc=True),
                "import_id": [item.import_id for item in found],
                "tables": [_rows(item) for item in found],
            }
        )

    def tables(self, version: int | None = None) -> dict[str, int]:
        """Count the stored rows of every table that has any, corrections included; without the quarantine."""
        return _rows(self._published(version))

    def observed_until(self, version: int | None = None) -> pd.Timestamp | None:
        """Instant (UTC) up to which the world was observed; None where no events are stored.

        It is what imports declared, else the greatest event time among tables of events, a few far from all others
        left out.
        """
        return self._published(version).observed_until

    def followed(self, version: int | None = None) -> dict[str, pd.Timestamp]:
        """Until when each table was followed (UTC): as its sources declared, else the last time that it tells.

        Tables of which nothing is known are left out.
        """
        ends = {name: followed_until(state) for name, state in self._published(version).tables.items()}
        return {name: end for name, end in sorted(ends.items()) if end is not None}

    def declared(self, version: int | None = None) -> dict[str, pd.Timestamp]:
        """Until when the sources of each table said that it tells everything (UTC); of others nothing is known."""
        tables = self._published(version).tables
        ends = {name: state.declared_until for name, state in tables.items() if state.declared_until is not None}
        return {name: pd.Timestamp(end, tz="UTC").as_unit("us") for name, end in sorted(ends.items())}

    def spans(self, version: int | None = None) -> dict[str, Span]:
        """Where the times of each table lie, and how many lie far from all others."""
        found = {name: span_of(state.months) for name, state in self._published(version).tables.items()}
        return {name: span for name, span in sorted(found.items()) if span is not None}

    def read(
        self,
        table: str,
        *,
        version: int | None = None,
        known_at: pd.Timestamp | None = None,
        columns: Sequence[str] | None = None,
        device_ids: Sequence[str] | npt.NDArray[np.str_] | None = None,
        bucket: int | None = None,
        customer_ids: Sequence[str] | None = None,
        event_from: pd.Timestamp | None = None,
        event_to: pd.Timestamp | None = None,
        withdrawn: bool = False,
    ) -> pd.DataFrame:
        """Return stored rows of a table, every correction as a row of its own, sorted by key, then available_at.

        Facts that were taken back by ``known_at`` are left out.

        Parameters
        ----------
        version
            Published version to read; the newest by default.
        known_at
            Only rows with ``available_at <= known_at`` (UTC).
        columns
            Columns wanted, in this order; a column nobody has sent yet comes back all missing.
        device_ids, bucket
            Only these devices; only the devices of this bucket (see :meth:`bucket_of`).
        customer_ids
            Only these customers; no effect on tables without customers.
        event_from, event_to
            Only rows whose event time lies between, both ends included; no effect on tables of standing facts.
        withdrawn
            Whether to return facts that were taken back, too; where there are any, ``withdrawn_at`` (UTC) says when.

        Returns
        -------
        pandas.DataFrame
            Times ``datetime64[us, UTC]``, text ``str``, numbers ``float64``; a table nothing was stored in is
            empty and has the contract's columns.

        Raises
        ------
        StoreError
            If the version was never published or the contract has no such table.
        """
        wanted = Selection(
            known_at, columns, device_ids, bucket, customer_ids, event_from, event_to, withdrawn=withdrawn
        )
        return self.select(table, wanted, version)

    def select(self, table: str, wanted: Selection, version: int | None = None) -> pd.DataFrame:
        """As :meth:`read`, for a selection made elsewhere; private columns may be named, and the order left open."""
        published = self._published(version)
        try:
            return self._select(table, wanted, published)
        except (DeltaError, OSError, pa.ArrowException):
            changed = self._published(version)
            if changed == published:
                raise
            return self._select(table, wanted, changed)  # a vacuum wrote the table anew meanwhile

    def withdrawals(self, version: int | None = None) -> pd.DataFrame:
        """Return what was taken back, oldest first: table, key (JSON text), reason, import_id, available_at (UTC)."""
        published = self._published(version)
        frame = self._select(WITHDRAWALS.name, Selection(), published)
        return frame.sort_values("available_at", kind="stable", ignore_index=True)

    def _select(self, table: str, wanted: Selection, published: Published) -> pd.DataFrame:
        contract, states, withdrawals = stored_table(table), published.tables, None
        if WITHDRAWALS.name in states and table not in OWN_TABLES:
            every = read_table(self.address, WITHDRAWALS, states[WITHDRAWALS.name], Selection(ordered=False), 1)
            withdrawals = Withdrawals.of(contract, every, wanted.known_at)
        return read_table(
            self.address, contract, states.get(table), wanted, self.device_buckets, withdrawals=withdrawals
        )

    def count(self, table: str, *, device_ids: Sequence[str]) -> int:
        """Count the stored rows of devices in a table, every correction as a row of its own."""
        stored = stored_table(table)
        state = self._published(None).tables.get(stored.name)
        return count_rows(self.address, stored, state, Selection(device_ids=device_ids), self.device_buckets)

    def quarantine(self, version: int | None = None) -> pd.DataFrame:
        """Return the records that broke the contract, sorted by available_at, origin and row_number.

        Returns
        -------
        pandas.DataFrame
            table, reason, column, detail, origin, row_number, record (JSON text), import_id, and available_at:
            when it was found.
        """
        frame = self.select(QUARANTINE.name, Selection(), version)
        return frame.sort_values(["available_at", "origin", "row_number"], kind="stable", ignore_index=True)

    def bucket_of(self, device_ids: Sequence[str] | npt.NDArray[np.str_] | pd.Series) -> npt.NDArray[np.int32]:
        """Bucket of each device, shape (n,): the same on every machine and for the life of the store."""
        return bucket_of(device_ids, self.device_buckets)

    @contextmanager
    def writing(self, import_id: str | None = None, *, publishes: bool = True) -> Iterator[StoreWriter]:
        """Hold the store's only writer; a clean exit publishes ONE version if anything was appended.

        Parameters
        ----------
        publishes
            Whether it does; otherwise what was appended is taken away again.

        Raises
        ------
        StoreError
            If another writer holds the store for ten minutes, or published meanwhile.
        """
        with self.alone() as (base, still_alone):
            writer = StoreWriter(self.address, self.device_buckets, base, import_id or uuid.uuid4().hex)
            yield writer
            if not publishes:
                self._discard_unpublished(base)
            elif writer.changed:
                writer.compact()
                writer.check()
                still_alone()
                number, now = base.version + 1, pd.Timestamp.now("UTC")
                until, states = writer.observed_until, writer.states
                publish(self.database, Published(number, now, writer.import_id, states, until, self.device_buckets))
                writer.published = number

    @contextmanager
    def alone(self) -> Iterator[tuple[Published, Callable[[], None]]]:
        """Keep every writer out; gives the newest version, which the files are taken back to, and a last check.

        The check, before anything is published, raises StoreError where another writer came in all the same.

        Raises
        ------
        StoreError
            If another writer holds the store for ten minutes.
        """
        with exclusive(self.address, self.database) as still_alone:
            base = self._published(None)
            self._discard_unpublished(base)
            yield base, still_alone

    def _published(self, version: int | None) -> Published:
        found = newest_version(self.database) if version is None else find_version(self.database, version)
        if found.version > 0 and found.device_buckets != self.device_buckets:
            raise StoreError(
                f"Telemetry is stored in {found.device_buckets} parts, the settings say {self.device_buckets}.",
                f"Set store.device_buckets back to {found.device_buckets}: it is fixed for the life of a store.",
            )
        return found

    def _discard_unpublished(self, base: Published) -> None:
        """Take tables that a dead writer left ahead back to what was published (or to empty)."""
        for name in (*TABLES, *OWN_TABLES):
            state = base.tables.get(name, TableState(0, 0))
            files = history_of(self.address, stored_table(name), state.generation)
            if files.latest() is not None:
                files.rewind(state.delta)


def _rows(published: Published) -> dict[str, int]:
    return {name: state.rows for name, state in sorted(published.tables.items()) if name not in OWN_TABLES}
