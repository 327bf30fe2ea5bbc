"""One batch in, typed rows and what is wrong with the others out; the only caller of parsing and checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.contract import Kind, Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.validation.availability import fill_available_at, split_ends
from aftercast.data.ingest.validation.checks import CHECKS, Breach, TypedRows
from aftercast.data.ingest.validation.columns import choose_columns, find_table
from aftercast.data.ingest.validation.parsing import Parsed, how_to_write, parse_cells, parse_open
from aftercast.data.ingest.validation.refusals import quarantine_rows
from aftercast.operations.errors import InputError

ORIGIN: Final = "_origin"
NUMBER: Final = "_number"


@dataclass(frozen=True)
class Checked:
    """A batch after the checks.

    Attributes
    ----------
    frame
        Typed rows that keep the contract, with their ``_origin`` and ``_number``.
    breaches
        What is wrong with the others; each row, or cell, is in the first breach it was found in.
    notices
        What people should know though nothing is wrong: columns that were left out.
    """

    table: Table
    batch: Batch
    frame: pd.DataFrame
    breaches: tuple[Breach, ...]
    notices: tuple[str, ...]

    @cached_property
    def refused(self) -> pd.DataFrame:
        """Records for the quarantine (its columns up to ``record``), those of one breach after the other."""
        origins, numbers = _places(self.batch)
        raw = self.batch.frame.reset_index(drop=True)
        parts = [quarantine_rows(self.table, raw, breach, origins, numbers) for breach in self.breaches]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def validate(
    batch: Batch,
    spec: FleetSpec,
    known: Mapping[str, Set[str]],
    open_kinds: Mapping[str, Kind],
    now: pd.Timestamp | None = None,
) -> Checked:
    """Parse and check one batch.

    Parameters
    ----------
    known
        Per id column the ids that exist.
    open_kinds
        Kinds in which attributes of this table are stored already.
    now
        When the rows came (UTC): events that become known later are refused; None where somebody else judges that.

    Raises
    ------
    InputError
        If the batch as a whole cannot be read as its table.
    """
    table = find_table(batch.table)
    kinds = choose_columns(batch, table, spec, open_kinds)
    raw = batch.frame.reset_index(drop=True)
    parsed = {
        name: parse_open(raw[name]) if kind is None else parse_cells(raw[name], kind) for name, kind in kinds.items()
    }
    if not batch.one_by_one:
        _refuse_naive(batch, raw, parsed)
    frame = pd.DataFrame({name: cells.values for name, cells in parsed.items()})
    frame = fill_available_at(batch, table, frame, spec)
    more = tuple(name for name in kinds if not table.has(name))
    sensors = more if table.name == "telemetry" else ()
    typed = TypedRows(table, spec, frame, np.zeros(len(raw), dtype=bool), sensors, known, now)
    good, breaches = _sieve(typed, parsed)
    origins, numbers = _places(batch)
    kept = typed.frame.assign(**{ORIGIN: origins, NUMBER: numbers})[good]
    if "available_at" not in raw.columns:
        kept = split_ends(table, kept)
    empty = [name for name in more if not sensors and bool(kept[name].isna().all())]
    ignored = [str(name) for name in raw.columns if name not in kinds and not str(name).startswith("_")]
    kept = kept.drop(columns=empty).reset_index(drop=True)
    return Checked(table, batch, kept, breaches, _notices(batch, ignored))


def _places(batch: Batch) -> tuple[pd.Series, pd.Series]:
    """Origin and number of each row."""
    rows = len(batch.frame)
    numbers = np.arange(batch.first_row, batch.first_row + rows)
    return pd.Series([batch.origin] * rows, dtype="category"), pd.Series(numbers, dtype="int64")


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


def _sieve(typed: TypedRows, parsed: Mapping[str, Parsed]) -> tuple[Mask, tuple[Breach, ...]]:
    """Rows that pass everything, and the breaches of the others; cells in breach are taken out of their rows."""
    bad = np.zeros(len(typed.frame), dtype=bool)
    found: list[Breach] = []
    for breach in _breaches(typed, parsed):
        fresh = breach.rows & ~bad
        if not fresh.any():
            continue
        found.append(replace(breach, rows=fresh))
        if breach.cell_only:
            typed.frame.loc[fresh, breach.column] = np.nan
            typed.cleared |= fresh
        else:
            bad |= fresh
    if typed.sensors:
        bad |= np.asarray(typed.frame[list(typed.sensors)].isna().all(axis=1))
    return ~bad, tuple(found)


def _breaches(typed: TypedRows, parsed: Mapping[str, Parsed]) -> Iterator[Breach]:
    """Unreadable cells first, then every check on what the earlier ones left."""
    for name, cells in parsed.items():
        written = how_to_write(cells.values)
        yield Breach("naive_time", cells.naive, name, f"has no time zone{written}")
        yield Breach("unparsable", cells.unparsable, name, f"cannot be read{written}", name in typed.sensors)
    for check in CHECKS:
        yield from check(typed)


def _notices(batch: Batch, ignored: list[str]) -> tuple[str, ...]:
    if not ignored:
        return ()
    shown = ", ".join(ignored[:8]) + (", ..." if len(ignored) > 8 else "")
    return (f"Table '{batch.table}' does not use {len(ignored)} columns of {batch.origin}: {shown}.",)
