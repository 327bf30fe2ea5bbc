"""Vacuum: tables that hold what must go are written anew, without it; files that nobody reads any more are deleted.

Safe at any moment: a table is first written whole into a folder of its own, then one transaction of the database makes
all new folders the newest version and ends the versions before it, and only then old files are deleted. Whoever is
killed leaves a folder that the next vacuum deletes. Writers are kept out by the store's lock; readers go on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa

from aftercast.data.contract import TABLES, Table
from aftercast.data.store.expiry import Expiry
from aftercast.data.store.history import Store
from aftercast.data.store.layout import OWN_TABLES, base_schema, stored_table, to_frame
from aftercast.data.store.reading import Selection, files_of, history_of, read_table
from aftercast.data.store.withdrawals import WITHDRAWALS, Withdrawals
from aftercast.operations.database.store_versions import Published, TableState, list_versions, replace_newest

ROWS_AT_ONCE: Final = 500_000


@dataclass(frozen=True)
class Vacuumed:
    """What a vacuum removed of one table, or would remove.

    Attributes
    ----------
    rows
        Rows that are past their time, taken back or forgotten.
    rewritten
        Whether the table was written anew.
    files
        Files that nobody read any more.
    """

    rows: int
    rewritten: bool
    files: int


def vacuum_store(store: Store, expiry: Expiry, *, dry_run: bool = False) -> dict[str, Vacuumed]:
    """Remove what must go from every table of a store.

    Returns
    -------
    dict
        Tables with something to remove; ``dry_run`` removes nothing.

    Raises
    ------
    StoreError
        If another writer holds the store for ten minutes.
    """
    with store.alone() as (base, still_alone):
        if base.version == 0:
            return {}
        expiry = replace(expiry, work_orders=_work_orders(store, base, expiry.entity_id))
        states, found = dict(base.tables), {}
        for name in list(base.tables):
            new, rows = _written_anew(store, base, stored_table(name), expiry, dry_run=dry_run)
            states[name] = base.tables[name] if new is None or dry_run else new
            files = _unread_files(store, stored_table(name), base.tables[name])
            if new is not None or files:
                found[name] = Vacuumed(rows, new is not None, len(files))
        if dry_run:
            return found
        still_alone()
        if states != dict(base.tables) or len(list_versions(store.database)) > 1:
            replace_newest(store.database, replace(base, tables=states))
        for name, state in states.items():
            _delete_files(store, stored_table(name), state)
        _delete_folders(store.address, states)
    return found


def _work_orders(store: Store, base: Published, entity_id: str) -> frozenset[str]:
    if not entity_id:
        return frozenset()
    wanted = Selection(columns=["work_order_id"], device_ids=[entity_id], ordered=False)
    state = base.tables.get("repairs")
    return frozenset(read_table(store.address, TABLES["repairs"], state, wanted, store.device_buckets)["work_order_id"])


def _written_anew(
    store: Store, base: Published, table: Table, expiry: Expiry, *, dry_run: bool
) -> tuple[TableState | None, int]:
    """State of a table without what must go, and how many rows go; None where it may stay as it is."""
    state, withdrawals = base.tables[table.name], _withdrawals(store, base, table)
    gone, blank = 0, False
    concerned = expiry.entity_id or table.name in expiry.keep or table.name in OWN_TABLES or len(withdrawals.hashes) > 0
    for data in _parts(store, table, state) if concerned else ():
        frame = to_frame(table, data)
        removed = expiry.removed(table, frame, withdrawals)
        gone += int(removed.sum())
        blank = blank or expiry.concerns(table, frame[~removed])
    cut_off = history_of(store.address, table, state.generation).was_rewound()
    if gone == 0 and not blank and not cut_off:
        return None, 0
    if dry_run:
        return state, gone
    new = TableState(0, 0, state.generation + 1)
    files = history_of(store.address, table, new.generation)
    _delete_folder(files.address)
    version, rows = files.create(base_schema(table)), 0
    for data in _parts(store, table, state):
        frame = to_frame(table, data)
        kept = ~expiry.removed(table, frame, withdrawals)
        if kept.any():
            version = files.append(_with_blanks(table, data.filter(pa.array(kept)), frame[kept], expiry))
            rows += int(kept.sum())
    return TableState(version, rows, new.generation), gone


def _parts(store: Store, table: Table, state: TableState) -> Iterator[pa.Table]:
    """Rows with their private columns: of a table of standing facts all at once and sorted, else in portions."""
    files = files_of(store.address, table, state)
    if table.event_time is None:
        order = [(name, "ascending") for name in (*table.key, "available_at")]
        yield files.to_table(use_threads=False).sort_by(order)
        return
    waiting: list[pa.RecordBatch] = []
    for batch in files.to_batches(use_threads=False):
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= ROWS_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _withdrawals(store: Store, base: Published, table: Table) -> Withdrawals:
    state = base.tables.get(WITHDRAWALS.name)
    stored = read_table(store.address, WITHDRAWALS, state, Selection(ordered=False), store.device_buckets)
    return Withdrawals.of(table, stored)


def _with_blanks(table: Table, data: pa.Table, frame: pd.DataFrame, expiry: Expiry) -> pa.Table:
    """Rows as they were stored, those cells emptied that must not stay."""
    if not expiry.concerns(table, frame):
        return data
    blanked = expiry.blanked(table, frame)
    for name in data.column_names:
        if name in blanked.columns and not blanked[name].equals(frame[name]):
            kind = data.schema.field(name).type
            cells = pa.array(blanked[name].astype(object).where(blanked[name].notna(), None).tolist(), kind)
            data = data.set_column(data.column_names.index(name), data.schema.field(name), cells)
    return data


def _unread_files(store: Store, table: Table, state: TableState) -> list[str]:
    return history_of(store.address, table, state.generation).unread_files()


def _delete_files(store: Store, table: Table, state: TableState) -> None:
    history_of(store.address, table, state.generation).delete_unread_files()


def _delete_folders(address: str, states: dict[str, TableState]) -> None:
    """Delete the folders of tables that the newest version does not read; of an object store their data files."""
    for name in (*TABLES, *OWN_TABLES):
        state = states.get(name)
        current = 0 if state is None else state.generation
        if "://" in address:
            if current > 0:
                history_of(address, stored_table(name), current - 1).empty()
            continue
        for folder in Path(address).glob(f"{name}*"):
            suffix = folder.name.removeprefix(name).removeprefix(".")
            if folder.is_dir() and (suffix == "" or suffix.isdigit()) and int(suffix or 0) != current:
                _delete_folder(str(folder))


def _delete_folder(address: str) -> None:
    if "://" not in address and Path(address).is_dir():
        shutil.rmtree(address)
