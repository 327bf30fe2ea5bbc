"""Ingest: batches in, one published store version out; the same batches again change nothing."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES, Kind, Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.deduplication import CONFLICT, resolve
from aftercast.data.ingest.reports import ImportReport
from aftercast.data.ingest.validation.checks import Breach
from aftercast.data.ingest.validation.refusals import quarantine_rows
from aftercast.data.ingest.validation.validate import NUMBER, ORIGIN, Checked, validate
from aftercast.data.ingest.vocabulary import Unlisted, count_unlisted, notices
from aftercast.data.ingest.withdrawing import Withdrawing, part_withdrawn
from aftercast.data.store import Store, StoreWriter
from aftercast.data.store.hashing import hash_rows
from aftercast.data.store.layout import kind_of
from aftercast.data.store.quarantine import QUARANTINE, in_words
from aftercast.data.store.reading import Selection
from aftercast.data.store.withdrawals import WITHDRAWALS
from aftercast.operations.database.imports import record_import_finish, record_import_start
from aftercast.operations.errors import InputError

ROWS_AT_ONCE: Final = 500_000
ID_TABLES: Final = {"device_id": "devices", "customer_id": "customers"}
Progress = Callable[[str, int], None]


def ingest(
    store: Store,
    batches: Iterable[Batch],
    spec: FleetSpec,
    *,
    origin: str,
    progress: Progress | None = None,
    rows_at_once: int = ROWS_AT_ONCE,
) -> ImportReport:
    """Validate batches, drop what is stored already, and publish the rest as one store version.

    Parameters
    ----------
    batches
        In an order in which devices and customers come before what refers to them.
    origin
        What the import log calls it.
    progress
        Called with table and rows read after each batch.
    rows_at_once
        Rows of a table that wait to be stored together; a larger batch is stored as it is.

    Raises
    ------
    InputError
        If a batch cannot be read as its table, or there is none; nothing of the import becomes visible then.
    StoreError
        If another writer holds the store.
    """
    report = ImportReport(import_id=uuid.uuid4().hex)
    started_at = pd.Timestamp.now("UTC").as_unit("us")
    record_import_start(store.database, report.import_id, origin, started_at)
    with store.writing(report.import_id) as writer:
        running = _Import(writer, spec, report, started_at, rows_at_once)
        for batch in batches:
            running.take(batch)
            if progress is not None:
                progress(batch.table, len(batch.frame))
        running.finish(origin)
    # Asked of the writer: another import may publish as soon as this one lets go of the store.
    report.published = writer.published is not None
    report.version = writer.published or writer.base.version
    record_import_finish(store.database, report.import_id, report.version, report.to_dict())
    return report


class _Import:
    """An import under way: what waits to be stored and what is known so far."""

    def __init__(
        self, writer: StoreWriter, spec: FleetSpec, report: ImportReport, started_at: pd.Timestamp, rows_at_once: int
    ) -> None:
        self._writer = writer
        self._spec = spec
        self._report = report
        self._started_at = started_at
        self._rows_at_once = rows_at_once
        self._waiting: dict[str, list[pd.DataFrame]] = {}
        self._refused: list[pd.DataFrame] = []
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._unlisted: Unlisted = {}
        self._withdrawing = Withdrawing(report.import_id, started_at)
        self._known = {column: self._stored_ids(table, column) for column, table in ID_TABLES.items()}

    def take(self, batch: Batch) -> None:
        """Validate a batch; store its table once enough of it waits."""
        batch, taken_back = part_withdrawn(batch)
        if taken_back is not None:
            self._report.table(batch.table).read += len(taken_back.frame)
            self._withdrawing.take(taken_back, self._refuse)
            if len(batch.frame) == 0:
                return
        checked = validate(batch, self._spec, self._known, self._attribute_kinds(batch.table), self._started_at)
        if batch.covers_until is not None:
            self._writer.covers(batch.covers_until)
        name = checked.table.name
        self._learn(checked)
        report = self._report.table(name)
        report.read += len(batch.frame)
        self._refuse(checked.refused)
        self._report.notices += [notice for notice in checked.notices if notice not in self._report.notices]
        self._unlisted.setdefault(name, Counter()).update(count_unlisted(name, checked.frame, self._spec))
        self._waiting.setdefault(name, []).append(checked.frame)
        if sum(len(frame) for frame in self._waiting[name]) >= self._rows_at_once:
            self._store(checked.table)

    def finish(self, origin: str) -> None:
        """Store what waits, then the quarantine, and tell of what is not listed."""
        if not self._report.tables:
            raise InputError(f"{origin} holds no table to import.", "Name files after tables, as in devices.csv.")
        for name in list(self._waiting):
            self._store(TABLES[name])
        self._store_withdrawals()
        self._store_quarantine()
        brought = {name: report.kept + report.duplicate for name, report in self._report.tables.items()}
        self._report.notices += notices(self._unlisted, brought, self._spec)

    def _stored_ids(self, table: str, column: str) -> set[str]:
        return set(self._writer.read(table, Selection(columns=[column], ordered=False))[column])

    def _attribute_kinds(self, name: str) -> dict[str, Kind]:
        if name in TABLES and name not in self._kinds:
            self._kinds[name] = self._writer.attribute_kinds(name)
        return self._kinds.get(name, {})

    def _learn(self, checked: Checked) -> None:
        """Remember the ids and attribute types that later batches may refer to."""
        for column, name in ID_TABLES.items():
            if checked.table.name == name:
                self._known[column] |= set(checked.frame[column])
        for column in checked.frame.columns:
            if checked.table.open and not checked.table.has(column) and not column.startswith("_"):
                self._kinds[checked.table.name].setdefault(column, kind_of(checked.frame[column]))

    def _store(self, table: Table) -> None:
        frame = pd.concat(self._waiting.pop(table.name), ignore_index=True)
        if len(frame) == 0:
            return
        taken_back = self._writer.withdrawals(table.name).covers(frame)
        self._report.table(table.name).duplicate += int(taken_back.sum())
        frame = frame[~taken_back].reset_index(drop=True)
        if len(frame) == 0:
            return
        verdict = resolve(table, frame, lambda wanted: self._writer.read_believed(table.name, wanted))
        about = f"the same {', '.join(table.key)} and available_at with other values came before"
        public = frame.drop(columns=[ORIGIN, NUMBER])
        conflict = Breach(CONFLICT, verdict.conflicts, "", about)
        self._refuse(quarantine_rows(table, public, conflict, frame[ORIGIN], frame[NUMBER]))
        report = self._report.table(table.name)
        kept = int(verdict.kept.sum())
        report.kept += kept
        report.corrected += int(verdict.corrects.sum())
        report.duplicate += len(frame) - kept - int(verdict.conflicts.sum())
        self._writer.append(table.name, public[verdict.kept])

    def _store_withdrawals(self) -> None:
        """Add what is taken back, of what was stored before or by this import."""
        if not self._withdrawing.waiting:
            return
        stored = self._writer.read(WITHDRAWALS.name, Selection(ordered=False))
        rows, counts = self._withdrawing.rows(self._writer.read, stored, self._refuse)
        self._writer.append(WITHDRAWALS.name, rows)
        for name, (new, before) in counts.items():
            self._report.table(name).withdrawn += new
            self._report.table(name).duplicate += before

    def _refuse(self, refused: pd.DataFrame) -> None:
        if len(refused) == 0:
            return
        self._refused.append(refused)
        for (table, reason), rows in refused.groupby(["table", "reason"]):
            report = self._report.table(str(table))
            report.quarantined[str(reason)] = report.quarantined.get(str(reason), 0) + len(rows)
            report.examples.setdefault(str(reason), in_words(rows.iloc[0]))

    def _store_quarantine(self) -> None:
        """Add the refused records that were not refused before."""
        if not self._refused:
            return
        key = list(QUARANTINE.key)
        refused = pd.concat(self._refused, ignore_index=True).drop_duplicates(key, ignore_index=True)
        stored = self._writer.read(QUARANTINE.name, Selection(columns=key, ordered=False))
        new = refused[~np.isin(hash_rows(refused, key), hash_rows(stored, key))]
        moment = pd.Series(self._started_at, index=new.index)
        self._writer.append(QUARANTINE.name, new.assign(import_id=self._report.import_id, available_at=moment))
