"""Records that come with a call instead of a file: checked against the same contract, refused one by one.

A caller is told where each refused record stood and why, never what it held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES, Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.validation.columns import AVAILABLE
from aftercast.data.ingest.validation.validate import NUMBER, ORIGIN, Checked, validate
from aftercast.operations.errors import InputError

Row = Mapping[str, Any]
ORIGIN_NAME: Final = "request"
UNREADABLE: Final = "unreadable"


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
class Sent:
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
    row: np.ndarray[tuple[int], np.dtype[np.int64]]
    refused: tuple[Refused, ...]
    strange: tuple[tuple[int, str], ...]


def check_sent(
    table: str,
    rows: Sequence[Row],
    spec: FleetSpec,
    known: Mapping[str, Set[str]],
    open_kinds: Mapping[str, str] | None = None,
    *,
    now: pd.Timestamp | None = None,
) -> Sent:
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
    fields = _fields(contract, spec, kinds)
    used = set(fields)
    strange = tuple((i, name) for i, row in enumerate(rows) for name in row if name not in used)
    with_own = [i for i, row in enumerate(rows) if row.get(AVAILABLE) is not None]
    without = [i for i, row in enumerate(rows) if row.get(AVAILABLE) is None]
    parts = [
        _checked(contract, [rows[i] for i in chosen], chosen, names, spec=spec, known=known, kinds=kinds, now=now)
        for chosen, names in ((with_own, fields), (without, [name for name in fields if name != AVAILABLE]))
        if chosen
    ]
    frames = [part.frame for part in parts if len(part.frame) > 0]
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame({name: [] for name in fields})
    places = [part.row for part in parts if len(part.frame) > 0]
    refused = sorted((each for part in parts for each in part.refused), key=lambda each: (each.row, each.column))
    return Sent(table, frame, np.concatenate(places or [np.array([], np.int64)]), tuple(refused), strange)


def _fields(contract: Table, spec: FleetSpec, kinds: Mapping[str, str]) -> list[str]:
    more = spec.sensor_names if contract.name == "telemetry" else tuple(kinds) if contract.open else ()
    return [*(column.name for column in contract.columns), *more]


def _checked(
    contract: Table,
    rows: Sequence[Row],
    places: Sequence[int],
    fields: Sequence[str],
    *,
    spec: FleetSpec,
    known: Mapping[str, Set[str]],
    kinds: Mapping[str, str],
    now: pd.Timestamp | None,
) -> Sent:
    raw = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype="object") for name in fields})
    place = np.asarray(places, dtype=np.int64)
    batch = Batch(contract.name, raw, ORIGIN_NAME, first_row=0)
    try:
        checked = validate(batch, spec, known, kinds, now)
    except InputError:  # of a whole column of times; the words of the error would repeat a value
        all_refused = tuple(Refused(contract.name, i, UNREADABLE, "", cell_only=False) for i in places)
        return Sent(contract.name, pd.DataFrame(), np.array([], np.int64), all_refused, ())
    frame = checked.frame.drop(columns=[ORIGIN, NUMBER])
    return Sent(contract.name, frame, place[checked.frame[NUMBER].to_numpy()], _refused(checked, place, spec), ())


def _refused(
    checked: Checked, place: np.ndarray[tuple[int], np.dtype[np.int64]], spec: FleetSpec
) -> tuple[Refused, ...]:
    taken = set(checked.frame[NUMBER])
    found = checked.refused.to_dict("records") if len(checked.refused) > 0 else []
    return tuple(
        Refused(
            checked.table.name,
            int(place[each["row_number"]]),
            str(each["reason"]),
            _public(each["column"], checked.table, spec),
            cell_only=each["row_number"] in taken,
        )
        for each in found
    )


def _public(column: Any, table: Table, spec: FleetSpec) -> str:
    return str(column) if isinstance(column, str) and (table.has(column) or column in spec.sensor_names) else ""
