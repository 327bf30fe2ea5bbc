"""One batch in, typed rows and refused records out; the only caller of parsing and checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.validation.availability import fill_available_at, split_ends
from aftercast.data.ingest.validation.checks import all_checks
from aftercast.data.ingest.validation.columns import AVAILABLE, Columns, choose_columns, find_table
from aftercast.data.ingest.validation.draft import Draft, Finding, Mask
from aftercast.data.ingest.validation.parsing import Parsed, how_to_write, parse_cells, parse_open
from aftercast.data.ingest.validation.refusals import quarantine_rows
from aftercast.operations.errors import InputError

ORIGIN: Final = "_origin"
NUMBER: Final = "_number"


@dataclass(frozen=True)
class Checked:
    """A validated batch.

    Attributes
    ----------
    frame
        Typed rows that keep the contract, with their ``_origin`` and ``_number``.
    refused
        Records for the quarantine (its columns up to ``record``).
    read
        Rows the batch had.
    notices
        What people should know though nothing is wrong: columns that were left out.
    """

    table: Table
    frame: pd.DataFrame
    refused: pd.DataFrame
    read: int
    notices: tuple[str, ...]


def validate(
    batch: Batch,
    spec: FleetSpec,
    known: Mapping[str, Set[str]],
    open_kinds: Mapping[str, str],
    now: pd.Timestamp | None = None,
) -> Checked:
    """Parse and check one batch.

    Parameters
    ----------
    known
        Per id column the ids that exist.
    open_kinds
        Kinds in which attributes of this table are stored already.

    Raises
    ------
    InputError
        If the batch as a whole cannot be read as its table.
    """
    table = find_table(batch.table)
    columns = choose_columns(batch, table, spec)
    raw = batch.frame.reset_index(drop=True)
    parsed = _parse(raw, table, columns, open_kinds)
    if not batch.one_by_one:
        _refuse_naive(batch, raw, parsed)
    frame = pd.DataFrame({name: cells.values for name, cells in parsed.items()})
    frame = fill_available_at(batch, table, frame, spec)
    draft = Draft(table, spec, raw, frame, np.zeros(len(raw), dtype=bool), columns.sensors, known, now)
    origins = pd.Series([batch.origin] * len(raw), dtype="category")
    numbers = pd.Series(np.arange(batch.first_row, batch.first_row + len(raw)), dtype="int64")
    good, refused = _sieve(draft, [*_unreadable(parsed, columns)], origins, numbers)
    kept = draft.frame.assign(**{ORIGIN: origins, NUMBER: numbers})[good]
    if AVAILABLE not in raw.columns:
        kept = split_ends(table, kept)
    kept = _without_empty(kept, columns.attributes)
    return Checked(table, kept.reset_index(drop=True), refused, len(raw), _notices(batch, columns))


def _parse(raw: pd.DataFrame, table: Table, columns: Columns, open_kinds: Mapping[str, str]) -> dict[str, Parsed]:
    parsed: dict[str, Parsed] = {}
    for name in columns.listed:
        column = table.column(name)
        if column is not None:
            parsed[name] = parse_cells(raw[name], column.kind)
    for name in columns.sensors:
        parsed[name] = parse_cells(raw[name], "float")
    for name in columns.attributes:
        parsed[name] = parse_open(raw[name], open_kinds.get(name))
    return parsed


def _refuse_naive(batch: Batch, raw: pd.DataFrame, parsed: Mapping[str, Parsed]) -> None:
    """Refuse a batch in which every time of a column lacks its zone, or is a bare number."""
    for name, cells in parsed.items():
        if not isinstance(cells.values.dtype, pd.DatetimeTZDtype) or bool(cells.values.notna().any()):
            continue
        numeric = pd.api.types.is_numeric_dtype(raw[name].dtype) and bool(cells.unparsable.any())
        wrong = cells.unparsable if numeric else cells.naive
        if not wrong.any():
            continue
        example = raw[name].iloc[int(np.argmax(wrong))]
        what = "a bare number" if numeric else "no time zone"
        raise InputError(
            f"{batch.origin}: '{name}' has {what} in {int(wrong.sum()):,} rows of table '{batch.table}', "
            f"for example '{example}'.",
            "Write times with their zone, as in 2026-01-31T06:00:00+00:00 or ...Z; without it they may be hours off.",
        )


def _unreadable(parsed: Mapping[str, Parsed], columns: Columns) -> Iterator[Finding]:
    for name, cells in parsed.items():
        cell_only = name in columns.sensors
        written = how_to_write(cells.values)
        if cells.naive.any():
            yield Finding("naive_time", cells.naive, name, f"has no time zone{written}")
        if cells.unparsable.any():
            yield Finding("unparsable", cells.unparsable, name, f"cannot be read{written}", cell_only)


def _sieve(
    draft: Draft, unreadable: list[Finding], origins: pd.Series, numbers: pd.Series
) -> tuple[Mask, pd.DataFrame]:
    """Rows that pass everything, and the quarantine of the rest; the first reason of a row is the one recorded."""
    bad = np.zeros(len(draft.frame), dtype=bool)
    refused: list[pd.DataFrame] = []
    for finding in _findings(draft, unreadable):
        fresh = finding.rows & ~bad
        if not fresh.any():
            continue
        taken = Finding(finding.reason, fresh, finding.column, finding.about, finding.cell_only)
        refused.append(quarantine_rows(draft.table, draft.raw, taken, origins, numbers))
        if finding.cell_only:
            draft.frame.loc[fresh, finding.column] = np.nan
            draft.cleared |= fresh
        else:
            bad |= fresh
    if draft.sensors:
        bad |= np.asarray(draft.frame[list(draft.sensors)].isna().all(axis=1))
    return ~bad, pd.concat(refused, ignore_index=True) if refused else pd.DataFrame()


def _findings(draft: Draft, unreadable: list[Finding]) -> Iterator[Finding]:
    """Unreadable cells first, then every check on what the earlier ones left."""
    yield from unreadable
    for check in all_checks():
        yield from check.check(draft)


def _without_empty(frame: pd.DataFrame, attributes: tuple[str, ...]) -> pd.DataFrame:
    empty = [name for name in attributes if bool(frame[name].isna().all())]
    return frame.drop(columns=empty)


def _notices(batch: Batch, columns: Columns) -> tuple[str, ...]:
    if not columns.ignored:
        return ()
    shown = ", ".join(columns.ignored[:8]) + (", ..." if len(columns.ignored) > 8 else "")
    return (f"Table '{batch.table}' does not use {len(columns.ignored)} columns of {batch.origin}: {shown}.",)
