"""Records that come with a call instead of a file: checked against the same contract, refused one by one.

A caller is told where each refused record stood and why, never what it held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Ints
from aftercast.data.contract import TABLES, WITHDRAWN, Kind
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.deduplication import CONFLICT, resolve
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.data.ingest.validation.validate import NUMBER, PLACES, Checked, validate
from aftercast.data.ingest.withdrawing import OWN, takes_back
from aftercast.data.store import Selection, Store
from aftercast.data.store.layout import row_hashes
from aftercast.operations.errors import InputError

Row = Mapping[str, Any]
ORIGIN_NAME: Final = "request"
UNREADABLE: Final = "unreadable"
_IN_ORDER: Final = attrgetter("row", "column")


@dataclass(frozen=True)
class Refused:
    """One record, or one cell of it, that was not taken.

    Attributes
    ----------
    row
        Position of the record among those sent, from 0.
    reason
        As in the quarantine, e.g. ``impossible_value``, ``naive_time``; ``unreadable`` where the times of a whole table
        could not be read.
    column
        A column of the contract or a sensor, or with ``unknown_column`` the field, if its name is plain; else empty.
    cell_only
        Whether the rest of the record was taken.
    """

    table: str
    row: int
    reason: str
    column: str
    cell_only: bool


@dataclass(frozen=True)
class CheckedRecords:
    """Records of one table after the checks.

    Attributes
    ----------
    frame
        Typed rows that keep the contract, ``available_at`` filled by the rule where it was not sent.
    row
        Position of each row among those sent, shape (n,).
    refused
        What was not taken, in the order sent.
    strange
        Positions of records with a field the table does not use, and the field, in the order sent.
    """

    table: str
    frame: pd.DataFrame
    row: Ints
    refused: tuple[Refused, ...]
    strange: tuple[tuple[int, str], ...] = ()


def check_records(
    table: str,
    rows: Sequence[Row],
    spec: FleetSpec,
    known: Mapping[str, Set[str]],
    open_kinds: Mapping[str, Kind] | None = None,
    *,
    now: pd.Timestamp | None = None,
) -> CheckedRecords:
    """Check records of one table.

    Parameters
    ----------
    rows
        Field name to text, number, true or false, or None; times as text with zone.
    known
        Per id column the ids that may be referred to.
    open_kinds
        Attributes that the table takes beside the contract's columns, with the kind they have.
    now
        Where given (UTC), events that become known later are refused.

    Raises
    ------
    KeyError
        If the contract has no such table.
    """
    contract, kinds = TABLES[table], dict(open_kinds or {})
    named = spec.table(table).attributes
    more = spec.sensor_names if table == "telemetry" else [name for name in kinds if contract.open and name in named]
    fields = [*(column.name for column in contract.columns), *more]
    usable = {*fields, *OWN}
    strange = tuple((i, name) for i, row in enumerate(rows) for name in row if name not in usable)
    parts = []

    def check(batch: Batch) -> Checked:
        return validate(batch, spec, known, kinds, now)

    for dated in (True, False):  # a column that is absent is filled by the rule, a cell that is missing is not
        stated = (i for i, row in enumerate(rows) if (row.get("available_at") is not None) is dated)
        places = np.array([i for i in stated if not (WITHDRAWN.name in rows[i] and takes_back(rows[i]))], np.int64)
        names = [name for name in fields if dated or name != "available_at"]
        if len(places) > 0:
            batch = Batch(table, _frame(names, [rows[i] for i in places]), ORIGIN_NAME, first_row=0)
            parts.append(_checked(batch, places, spec, check))
    kept = [part for part in parts if len(part.frame) > 0]
    return CheckedRecords(
        table,
        pd.concat([part.frame for part in kept], ignore_index=True) if kept else _frame(fields, []),
        np.concatenate([part.row for part in kept]) if kept else np.array([], np.int64),
        tuple(sorted((each for part in parts for each in part.refused), key=_IN_ORDER)),
        strange,
    )


def _frame(names: Sequence[str], rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype="object") for name in names})


def _checked(batch: Batch, places: Ints, spec: FleetSpec, check: Callable[[Batch], Checked]) -> CheckedRecords:
    try:
        checked = check(batch)
    except InputError:  # of a whole column of times; the words of the error would repeat a value
        refused = tuple(Refused(batch.table, int(i), UNREADABLE, "", cell_only=False) for i in places)
        return CheckedRecords(batch.table, pd.DataFrame(), np.array([], np.int64), refused)
    numbers = checked.frame[NUMBER].to_numpy()
    taken = np.isin(np.arange(len(places)), numbers)
    refused = tuple(
        Refused(batch.table, int(places[row]), breach.reason, _public(breach.column, checked, spec), bool(taken[row]))
        for breach in checked.breaches
        for row in np.flatnonzero(breach.rows)
    )
    return CheckedRecords(batch.table, checked.frame.drop(columns=list(PLACES)), places[numbers], refused)


def _public(column: str, checked: Checked, spec: FleetSpec) -> str:
    return column if checked.table.has(column) or column in spec.sensor_names else ""


def without_conflicts(store: Store, checked: CheckedRecords, undated: Set[str] = frozenset()) -> CheckedRecords:
    """Records of devices without those that contradict what is stored or each other, which are refused.

    All came at once, so none is the first: of two that differ the one with more cells stands, whatever their order.
    Each device is compared with its own records only: nothing is told about others, and none changes another's answer.

    Parameters
    ----------
    undated
        Devices whose records are newer than all that is stored, and so contradict nothing.
    """
    table, frame = TABLES[checked.table], checked.frame
    of_a_device = replace(table, key=tuple(dict.fromkeys(["device_id", *table.key])))
    dated = np.flatnonzero(~frame["device_id"].isin(list(undated)))
    if len(dated) == 0:
        return checked
    order = dated[np.lexsort((row_hashes(frame)[dated], -np.asarray(frame.notna().sum(axis=1))[dated]))]

    def read(wanted: Selection) -> pd.DataFrame:
        return store.select(table.name, wanted)

    verdict = resolve(of_a_device, frame.iloc[order].reset_index(drop=True), read)
    conflicts = np.zeros(len(frame), dtype=bool)
    conflicts[order] = verdict.conflicts
    found = [Refused(table.name, int(i), CONFLICT, "", cell_only=False) for i in checked.row[conflicts]]
    return replace(
        checked,
        frame=frame[~conflicts].reset_index(drop=True),
        row=checked.row[~conflicts],
        refused=tuple(sorted([*checked.refused, *found], key=_IN_ORDER)),
    )


def typed_columns(table: str, columns: Sequence[str], rows: Sequence[Row]) -> pd.DataFrame:
    """Columns of the contract as the store will have them, one row per record; unreadable cells are missing."""
    raw, kinds = _frame(columns, rows), {column.name: column.kind for column in TABLES[table].columns}
    return pd.DataFrame({name: parse_cells(raw[name], kinds[name]).values for name in columns})
