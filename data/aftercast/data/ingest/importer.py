"""Ingest: batches in, one published store version out; the same batches again change nothing."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES, Kind, Table
from aftercast.data.fleet import UNNAMED, FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.corrections import Moment
from aftercast.data.ingest.deduplication import CONFLICT, resolve
from aftercast.data.ingest.numbering import PurchaseNumbers
from aftercast.data.ingest.reports import ImportReport
from aftercast.data.ingest.validation.availability import STANDING_SINCE
from aftercast.data.ingest.validation.checks import Breach, impossible_value
from aftercast.data.ingest.validation.known_ids import KnownIds
from aftercast.data.ingest.validation.refusals import quarantine_rows
from aftercast.data.ingest.validation.validate import DATED, NUMBER, ORIGIN, PLACES, Checked, validate
from aftercast.data.ingest.vocabulary import Unlisted, count_unlisted, notices
from aftercast.data.store import Store, StoreWriter
from aftercast.data.store.coverage import followed_until, span_of
from aftercast.data.store.hashing import hash_rows
from aftercast.data.store.layout import kind_of
from aftercast.data.store.quarantine import QUARANTINE, in_words
from aftercast.data.store.reading import Selection
from aftercast.operations.clocks import format_duration
from aftercast.operations.database.imports import record_import_finish, record_import_start
from aftercast.operations.errors import InputError

ROWS_AT_ONCE: Final = 500_000
SHOWN: Final = 5
BEHIND: Final = pd.Timedelta(days=14)
"""How long before the others a table may end without a word."""
IMPOSSIBLE: Final = impossible_value.__name__
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
        self._moment = Moment(report.import_id, started_at)
        self._numbers = PurchaseNumbers()
        self._impossible: dict[str, set[str]] = {}
        self._corrective, self._unnamed = set[str](), set[str]()
        self._delays: dict[str, pd.Timedelta] = {}
        self._waiting: dict[str, list[pd.DataFrame]] = {}
        self._refused: list[pd.DataFrame] = []
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._unlisted: Unlisted = {}
        self._known = {column: KnownIds(self._stored_ids(table, column)) for column, table in ID_TABLES.items()}

    def take(self, batch: Batch) -> None:
        """Validate a batch; store its table once enough of it waits."""
        self._refuse_other_delay(batch)
        checked = validate(batch, self._spec, self._known, self._attribute_kinds(batch.table), self._started_at)
        if batch.covers_until is not None:
            self._writer.covers(batch.covers_until)
        name = checked.table.name
        self._learn(checked)
        report = self._report.table(name)
        report.read += len(batch.frame)
        self._refuse(checked.refused)
        self._note_impossible(checked)
        self._note_orders(checked)
        self._report.notices += [notice for notice in checked.notices if notice not in self._report.notices]
        self._unlisted.setdefault(name, Counter()).update(count_unlisted(name, checked.frame, self._spec))
        self._wait(checked.table, self._numbers.fill(name, checked.frame, batch.origin))

    def _refuse_other_delay(self, batch: Batch) -> None:
        """Refuse rows without a clock of their own where stored ones were dated by another ``available_after``."""
        state, contract = self._writer.states.get(batch.table), TABLES.get(batch.table)
        if contract is None or contract.event_time is None or "available_at" in batch.frame.columns:
            return
        now = self._spec.delay(batch.table)
        if state is not None and state.available_after_s not in (None, now.total_seconds()):
            before = pd.Timedelta(seconds=state.available_after_s or 0)
            raise InputError(
                f"{batch.origin}: fleet.toml says that {batch.table} are known {_span(now)} after they happen, but the "
                f"{state.rows:,} stored rows were dated {_span(before)} after.",
                f"Set available_after of [tables.{batch.table}] back to {_span(before)}, or import everything into a "
                "new workspace: what was known when cannot be changed afterwards.",
            )
        self._delays[batch.table] = now

    def finish(self, origin: str) -> None:
        """Store what waits, then the quarantine, and tell of what is not listed."""
        if not self._report.tables:
            raise InputError(f"{origin} holds no table to import.", "Name files after tables, as in devices.csv.")
        for name in list(self._waiting):
            self._store(TABLES[name])
        for name, delay in self._delays.items():
            self._writer.dates(name, delay)
        self._report.notices += [*self._strays(), *self._set_aside(), *self._without_component(), *self._behind()]
        self._store_quarantine()
        brought = {name: report.kept + report.duplicate for name, report in self._report.tables.items()}
        self._report.notices += notices(self._unlisted, brought, self._spec)

    def _wait(self, table: Table, frame: pd.DataFrame) -> None:
        """Let rows wait for others to be stored with; of rows without a clock only such as have the same columns.

        What their files do not say stays as it is stored, and what a cell of theirs leaves empty does not.
        """
        waiting = self._waiting.setdefault(table.name, [])
        undated = [part for part in (frame, *waiting[-1:]) if not bool(part[DATED].all())]
        if waiting and undated and set(frame.columns) != set(waiting[-1].columns):
            self._store(table)
        self._waiting.setdefault(table.name, []).append(frame)
        if sum(map(len, self._waiting[table.name])) >= self._rows_at_once:
            self._store(table)

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
                self._known[column].update(checked.frame[column])
        for column in checked.frame.columns:
            if checked.table.open and not checked.table.has(column) and not column.startswith("_"):
                self._kinds[checked.table.name].setdefault(column, kind_of(checked.frame[column]))

    def _store(self, table: Table) -> None:
        frame = pd.concat(self._waiting.pop(table.name), ignore_index=True)
        if len(frame) == 0:
            return
        rule = self._spec.table(table.name).attributes if table.open else {}
        moment = replace(self._moment, constants=tuple(name for name, known in rule.items() if known == "constant"))
        verdict = resolve(table, frame, lambda wanted: self._writer.read(table.name, wanted), moment)
        about = (
            f"the same {', '.join(table.key)} and available_at with other values came before; if it is a later state, "
            "say in available_at since when"
        )
        frame = verdict.frame
        public = frame.drop(columns=list(PLACES))
        conflict = Breach(CONFLICT, verdict.conflicts, "", about)
        self._refuse(quarantine_rows(table, public, conflict, frame[ORIGIN], frame[NUMBER]))
        report = self._report.table(table.name)
        kept = int(verdict.kept.sum())
        report.kept += kept
        report.corrected += int(verdict.corrects.sum())
        report.duplicate += len(frame) - kept - int(verdict.conflicts.sum())
        report.kept += self._writer.append(table.name, verdict.completed)
        self._writer.append(table.name, public[verdict.kept], _told(table, frame[verdict.kept]))

    def _strays(self) -> Iterator[str]:
        """Name tables of this import with a few rows far from all others."""
        for name in self._report.tables:
            state = self._writer.states.get(name)
            span = None if state is None else span_of(state.months)
            if span is not None and span.stray is not None:
                count = span.early + span.late
                yield (
                    f"Table '{name}' has {count:,} {'row' if count == 1 else 'rows'} far from all others, as of "
                    f"{span.stray:%Y-%m-%d %H:%M}: a clock that was not set? They are stored, and no beginning or end "
                    f"is taken from them: {name} count from {span.first:%Y-%m-%d} to {span.last:%Y-%m-%d}."
                )

    def _behind(self) -> Iterator[str]:
        """Say where the table that tells of failures ends long before the others: what follows teaches nothing."""
        name, until = self._spec.failures_from, self._writer.observed_until
        state = self._writer.states.get(name)
        end = None if state is None or self._spec.table(name).followed_until else followed_until(state)
        if end is not None and until is not None and until - end > BEHIND:
            yield (
                f"Table '{name}' tells until {end:%Y-%m-%d}, the other tables until {until:%Y-%m-%d}: nothing is "
                f"learnt from the time between. If there were no failures in it, add to fleet.toml: [tables.{name}] "
                'followed_until = "observed".'
            )

    def _without_component(self) -> Iterator[str]:
        """Say how many corrective orders name no component, where they stand for failures."""
        orders, unnamed = len(self._corrective), len(self._unnamed)
        if unnamed:
            yield (
                f"{unnamed:,} of {orders:,} corrective work orders name no component: they count as failures of the "
                f"component '{UNNAMED}'."
            )

    def _note_orders(self, checked: Checked) -> None:
        """Remember corrective orders, and those without a component, where they stand for failures."""
        if checked.table.name == "repairs" == self._spec.failures_from:
            orders = checked.frame[checked.frame["kind"] == "corrective"]
            self._corrective.update(orders["work_order_id"])
            named = orders["component"].notna() if "component" in orders.columns else False
            self._unnamed.update(orders["work_order_id"][~(orders["kind"].notna() & named)])

    def _note_impossible(self, checked: Checked) -> None:
        """Remember of which devices readings were set aside as impossible."""
        if checked.table.name == "telemetry" and "device_id" in checked.batch.frame.columns:
            for breach in checked.breaches:
                if breach.reason == IMPOSSIBLE:
                    ids = checked.batch.frame["device_id"][breach.rows].dropna().unique()
                    self._impossible.setdefault(breach.column, set()).update(map(str, ids))

    def _set_aside(self) -> Iterator[str]:
        """Say how many devices with impossible readings failed: a range may call the worst readings impossible."""
        if not self._impossible:
            return
        columns = ["device_id", *(["kind"] if self._spec.failures_from == "repairs" else [])]
        rows = self._writer.read(self._spec.failures_from, Selection(columns=columns, ordered=False))
        failed = set(rows["device_id"] if len(columns) == 1 else rows["device_id"][rows["kind"] == "corrective"])
        devices = set[str]().union(*self._impossible.values())
        share = len(failed & self._known["device_id"]) / max(len(self._known["device_id"]), 1)
        names = ", ".join(sorted(self._impossible, key=lambda name: -len(self._impossible[name]))[:SHOWN])
        yield (
            f"Readings of {len(devices):,} devices were set aside as impossible ({names}); "
            f"{len(devices & failed):,} of these devices have failed, of all devices {share:.1%}. If that is more than "
            "chance, the ranges in fleet.toml call the worst readings impossible: widen them and import again."
        )

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


def _told(table: Table, frame: pd.DataFrame) -> pd.Series | None:
    """Instants until which rows of standing facts tell how things are: their own clock, else what they are about."""
    if table.event_time is not None:
        return None
    since = frame[STANDING_SINCE[table.name]] if table.name in STANDING_SINCE else pd.Series(dtype="object")
    if since.dtype == "object" or since.dt.tz is None:
        return frame["available_at"][frame[DATED]]
    known = [frame["available_at"][frame[DATED]], since[~frame[DATED]]]
    if table.end is not None and table.end in frame.columns:
        known.append(frame[table.end][~frame[DATED]])
    return pd.concat(known).dropna()


def _span(delay: pd.Timedelta) -> str:
    return format_duration(round(delay.total_seconds() * 1_000_000))
