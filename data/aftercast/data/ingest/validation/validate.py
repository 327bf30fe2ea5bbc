"""One batch in, typed rows and what is wrong with the others out; the only caller of parsing and checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.contract import Kind, Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch, Fault
from aftercast.data.ingest.validation.availability import fill_available_at, known_from_import, split_ends
from aftercast.data.ingest.validation.checks import CHECKS, Breach, TypedRows
from aftercast.data.ingest.validation.columns import choose_columns, find_table, unfit
from aftercast.data.ingest.validation.parsing import (
    MISSING_WORDS,
    Parsed,
    how_to_write,
    parse_cells,
    parse_open,
    parse_reading,
    without_words,
)
from aftercast.data.ingest.validation.refusals import quarantine_rows
from aftercast.data.ingest.validation.units import convert_wide
from aftercast.operations.errors import InputError

ORIGIN: Final = "_origin"
NUMBER: Final = "_number"
DATED: Final = "_dated"
"""Whether a row says by itself when it became known."""
PLACES: Final = (ORIGIN, NUMBER, DATED)
"""Columns of a checked frame that are no cells."""


@dataclass(frozen=True)
class Checked:
    """A batch after the checks.

    Attributes
    ----------
    frame
        Typed rows that keep the contract, with their ``_origin``, ``_number`` and ``_dated``.
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
    parsed = _parsed(raw, table, kinds, spec.table(table.name).missing)
    if not batch.one_by_one:
        _refuse_naive(batch, raw, parsed)
    frame = pd.DataFrame({name: cells.values for name, cells in parsed.items()})
    frame = convert_wide(frame, batch.units, spec) if table.name == "telemetry" else frame
    dated = "available_at" in frame.columns
    frame = fill_available_at(batch, table, frame, spec, now)
    more = tuple(name for name in kinds if not table.has(name))
    sensors = more if table.name == "telemetry" else ()
    typed = TypedRows(table, spec, frame, np.zeros(len(raw), dtype=bool), sensors, known, now, dated)
    good, breaches = _sieve(typed, parsed, batch.faults)
    origins, numbers = _places(batch)
    own = np.full(len(raw), dated)
    if batch.received_at is not None:
        own &= np.asarray(typed.frame["available_at"] != batch.received_at)
    places: dict[str, Any] = {ORIGIN: origins, NUMBER: numbers, DATED: own}
    kept = typed.frame.assign(**places)[good]
    if not dated:
        kept = split_ends(table, kept, spec, now)
        kept = known_from_import(table, kept, spec, now)
    empty = [name for name in more if not sensors and bool(kept[name].isna().all())]
    ignored = [str(name) for name in raw.columns if name not in kinds and not str(name).startswith("_")]
    kept = kept.drop(columns=empty).reset_index(drop=True)
    return Checked(table, batch, kept, breaches, _notices(batch, table, ignored, spec))


def _parsed(
    raw: pd.DataFrame, table: Table, kinds: Mapping[str, Kind | None], missing: Sequence[str]
) -> dict[str, Parsed]:
    """Parse the columns that are read; cells that hold one of the words for a missing value are empty."""
    words = [word.strip() for word in missing]
    given = raw.mask(raw.isin(words)) if words else raw
    found = {
        name: parse_open(given[name]) if kind is None else parse_cells(given[name], kind)
        for name, kind in kinds.items()
    }
    if table.name == "telemetry":
        found |= {name: parse_reading(given[name], cells) for name, cells in found.items() if not table.has(name)}
    for column in table.columns:
        if column.choices is not None and column.name in found:
            found[column.name] = without_words(found[column.name], MISSING_WORDS)
    return found


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
            f'Name the zone they are in, in fleet.toml: [tables.{batch.table}] zone = "Europe/Berlin", for example; '
            "or write times as 2026-01-31T06:00:00+00:00.",
        )


def _sieve(typed: TypedRows, parsed: Mapping[str, Parsed], faults: Sequence[Fault]) -> tuple[Mask, tuple[Breach, ...]]:
    """Rows that pass everything, and the breaches of the others; cells in breach are taken out of their rows."""
    bad = np.zeros(len(typed.frame), dtype=bool)
    found: list[Breach] = []
    for breach in _breaches(typed, parsed, faults):
        fresh = breach.rows & ~bad
        if not fresh.any():
            continue
        found.append(replace(breach, rows=fresh))
        if breach.cell_only:
            typed.frame[breach.column] = typed.frame[breach.column].mask(fresh)
            typed.cleared |= fresh
        else:
            bad |= fresh
    if typed.sensors:
        bad |= np.asarray(typed.frame[list(typed.sensors)].isna().all(axis=1))
    return ~bad, tuple(found)


def _breaches(typed: TypedRows, parsed: Mapping[str, Parsed], faults: Sequence[Fault]) -> Iterator[Breach]:
    """Unreadable cells first, then every check on what the earlier ones left."""
    for fault in faults:
        yield Breach(fault.reason, fault.rows, fault.column, fault.about, typed.optional(fault.column))
    for name, cells in parsed.items():
        written, optional = how_to_write(cells.values), typed.optional(name)
        yield Breach("naive_time", cells.naive, name, f"has no time zone{written}", optional)
        yield Breach("unparsable", cells.unparsable, name, f"cannot be read{written}", optional)
    for check in CHECKS:
        yield from check(typed)


def _notices(batch: Batch, table: Table, ignored: list[str], spec: FleetSpec) -> tuple[str, ...]:
    """What is not used, and why; how to use it where a fleet spec decides that."""
    named = spec.table(table.name).attributes if table.open else {}
    refused = [name for name in ignored if name in named]
    found = [
        f"Table '{batch.table}': the attribute '{name}' of {batch.origin} is not used: it holds {unfit(batch, name)}."
        for name in refused
    ]
    others = [name for name in ignored if name not in refused]
    if others:
        shown = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
        text = f"Table '{batch.table}' does not use {len(others)} columns of {batch.origin}: {shown}."
        if table.open and table.name != "telemetry":
            text += (
                f' To make one a feature, add to fleet.toml: [tables.{table.name}.attributes] "{others[0]}" = '
                '"constant" (true since ever) or "from_import" (known from its import); then import again.'
            )
        found.append(text)
    return tuple(found)
