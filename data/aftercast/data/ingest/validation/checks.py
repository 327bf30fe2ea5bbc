"""What a row must keep to enter the store: the checks, in the order in which they are tried.

A check is a function named like the reason the quarantine gives. A row in breach of several is refused for the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.contract import Column, Table
from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.data.ingest.validation.known_ids import KnownIds
from aftercast.operations.clocks import AHEAD, EARLIEST, LATEST

LONGEST_ID: Final = 200
MOST_NEAR: Final = 20
"""Unknown ids of a batch for which near ones are looked up."""
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Breach:
    """Rows (or cells of one column) that break the contract for one reason.

    Attributes
    ----------
    rows
        Shape (n,), True where a row breaks it.
    column
        The column at fault; empty where it is the whole row.
    about
        What is wrong, in words, without a value.
    cell_only
        The cell becomes missing and its row stays, unless nothing else is left of the row.
    """

    reason: str
    rows: Mask
    column: str
    about: str
    cell_only: bool = False


@dataclass
class TypedRows:
    """The rows of a batch with typed cells, as checks see them.

    Attributes
    ----------
    cleared
        Shape (n,), True where a cell was taken out of the row already.
    sensors
        Sensor columns, telemetry only.
    known
        Per id column (``device_id``, ``customer_id``) the ids that exist.
    now
        When the rows came (UTC); None where somebody else judges whether they lie in the future.
    dated
        Whether the rows say by themselves when they became known.
    """

    table: Table
    spec: FleetSpec
    frame: pd.DataFrame
    cleared: Mask
    sensors: tuple[str, ...] = ()
    known: Mapping[str, Set[str]] = field(default_factory=dict)
    now: pd.Timestamp | None = None
    dated: bool = True

    def optional(self, name: str) -> bool:
        """Whether a row can do without its cell of a column: only the cell is lost then."""
        column = self.table.column(name)
        return column is None or not (column.required or name == "available_at")


def missing_value(typed: TypedRows) -> Iterator[Breach]:
    """A required cell is missing, or a telemetry row has no value at all."""
    for name in (*typed.table.required, "available_at"):
        yield Breach("missing_value", np.asarray(typed.frame[name].isna()), name, "is missing")
    if typed.sensors:
        silent = np.asarray(typed.frame[list(typed.sensors)].isna().all(axis=1)) & ~typed.cleared
        yield Breach("missing_value", silent, "", "no sensor has a value")


def unusable_id(typed: TypedRows) -> Iterator[Breach]:
    """An id has control characters or is too long: PostgreSQL takes no NUL as text, and no long text into an index."""
    for column in typed.table.columns:
        if column.name.endswith("_id") and column.name in typed.frame.columns:
            codes, ids = pd.factorize(typed.frame[column.name])
            wrong = [len(each) > LONGEST_ID or CONTROL.search(each) is not None for each in map(str, ids)]
            about = f"has control characters, or more than {LONGEST_ID} characters"
            rows = np.array([*wrong, False], dtype=bool)[codes]
            yield Breach("unusable_id", rows, column.name, about, typed.optional(column.name))


def impossible_time(typed: TypedRows) -> Iterator[Breach]:
    """A time lies outside [EARLIEST, LATEST), such as the year 9999.

    One such row would end the range of every table: cutoffs would be made for thousands of years, and some arithmetic
    on times overflows. Where the cell is an optional end (retired, warranty), other systems write it for "never", so
    only the cell goes to quarantine.
    """
    about = f"lies before {EARLIEST:%Y} or after {LATEST:%Y}"
    for column in typed.table.columns:
        if column.kind in {"time", "date"} and column.name in typed.frame.columns:
            times = typed.frame[column.name]
            first, end = (each if times.dt.tz is not None else each.tz_localize(None) for each in (EARLIEST, LATEST))
            needed = column.required or column.name in typed.table.until
            rows = np.asarray((times < first) | (times >= end))
            yield Breach("impossible_time", rows, column.name, about, cell_only=not needed)


def unknown_choice(typed: TypedRows) -> Iterator[Breach]:
    """A cell holds none of the values the contract lists; a missing optional value is no breach."""
    for column in typed.table.columns:
        if column.choices is not None and column.name in typed.frame.columns:
            values = typed.frame[column.name]
            rows = np.asarray(values.notna() & ~values.isin(column.choices))
            about = f"is none of {', '.join(column.choices)}"
            yield Breach("unknown_choice", rows, column.name, about, typed.optional(column.name))


def available_in_future(typed: TypedRows) -> Iterator[Breach]:
    """An event becomes known later than now, with some leave for clocks: the sender's clock is wrong.

    One such row would move the end of the data into the future: scores and answers would be made for it, with
    everything else silent since. Standing facts may be plans. Of a row that we dated the event itself is judged.
    """
    if typed.now is not None and typed.table.event_time is not None:
        for name in ("available_at",) if typed.dated else (typed.table.event_time, *typed.table.until):
            if name in typed.frame.columns:
                rows = np.asarray(typed.frame[name] > typed.now + AHEAD)
                yield Breach("available_in_future", rows, name, "lies in the future")


def event_after_availability(typed: TypedRows) -> Iterator[Breach]:
    """A fact was known before it happened, or its end before it ended: one of its clocks is wrong."""
    for name in (typed.table.event_time, *typed.table.until):
        if typed.dated and name is not None and name in typed.frame.columns:
            rows = np.asarray(typed.frame[name] > typed.frame["available_at"])
            yield Breach("event_after_availability", rows, name, "lies after available_at")


def end_before_start(typed: TypedRows) -> Iterator[Breach]:
    """A fact ended before it began: closed before opened, retired or out of warranty before installed."""
    for start, end in typed.table.ends:
        if start in typed.frame.columns and end in typed.frame.columns:
            rows = np.asarray(typed.frame[end] < typed.frame[start])
            yield Breach("end_before_start", rows, end, f"lies before {start}", typed.optional(end))


def impossible_value(typed: TypedRows) -> Iterator[Breach]:
    """A number is infinite or outside what is possible, both ends possible: physics for sensors, a scale for scores."""
    listed: dict[str, Sensor | Column] = {sensor.name: sensor for sensor in typed.spec.sensors}
    listed = listed if typed.sensors else {column.name: column for column in typed.table.columns}
    for name in typed.frame.columns:
        if not pd.api.types.is_float_dtype(typed.frame[name].dtype):
            continue
        limits = listed.get(name, Sensor(name=name))
        least = 0.0 if isinstance(limits, Sensor) and limits.cumulative else -np.inf  # what counts up began at zero
        low = least if limits.low is None else limits.low
        high = np.inf if limits.high is None else limits.high
        values = np.asarray(typed.frame[name], dtype=np.float64)
        rows = np.isinf(values) | (values < low) | (values > high)
        unit = limits.unit if isinstance(limits, Sensor) else ""
        about = f"is outside [{low:g}, {high:g}] {unit}".rstrip()
        yield Breach("impossible_value", rows, name, about, typed.optional(name))


def unknown_device(typed: TypedRows) -> Iterator[Breach]:
    """A row is about a device that was neither stored before nor came earlier in this import."""
    return _unknown(typed, "device_id", "devices")


def unknown_customer(typed: TypedRows) -> Iterator[Breach]:
    """A row is about a customer who was neither stored before nor came earlier in this import."""
    return _unknown(typed, "customer_id", "customers")


def _unknown(typed: TypedRows, name: str, owner: str) -> Iterator[Breach]:
    column = typed.table.column(name)
    if typed.table.name != owner and column is not None and column.required:
        codes, ids = pd.factorize(typed.frame[name])
        known = typed.known.get(name, frozenset())
        unknown = np.array([str(each) not in known for each in ids] + [False], dtype=bool)
        reason = f"unknown_{owner[:-1]}"
        for code in np.flatnonzero(unknown)[:MOST_NEAR]:
            near = known.near(str(ids[code])) if isinstance(known, KnownIds) else None
            if near is not None:
                yield Breach(reason, codes == code, name, f"is in no {owner} table; {near}")
        yield Breach(reason, unknown[codes], name, f"is in no {owner} table; import {owner} first")


CHECKS: Final[tuple[Callable[[TypedRows], Iterator[Breach]], ...]] = (
    missing_value,
    unusable_id,
    impossible_time,
    unknown_choice,
    available_in_future,
    event_after_availability,
    end_before_start,
    impossible_value,
    unknown_device,
    unknown_customer,
)
