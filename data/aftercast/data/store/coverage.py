"""How far each table was followed: by month its rows, first and last time; a few far from all others do not count.

A device that starts before it has the time reports 1970, and a slip of the pen may lie months ahead. One such row would
move the beginning or the end of a fleet's records, and all that is learnt from them. It stays stored and is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd

from aftercast.operations.database.store_versions import TableState

Month = tuple[int, str, str]
"""Rows, first and last time (ISO 8601, UTC)."""
Months = Mapping[str, Month]

FEW_EARLY: Final = 0.01
FEW_LATE: Final = 0.0001
"""Largest share of the rows that may be strays; one row may always be. New rows after a pause must soon count."""
FEWEST: Final = 10
"""Rows that the others must have."""
GAP: Final = pd.Timedelta(days=60)
WIDER: Final = 3.0
"""A stray is farther from the others than this many of their own widest gaps."""


@dataclass(frozen=True)
class Span:
    """Where the times of a table lie.

    Attributes
    ----------
    first, last
        Of all but the strays (UTC, both included).
    early, late
        Rows far before, and far after, all others.
    stray
        One of their times; None where there is none.
    """

    first: pd.Timestamp
    last: pd.Timestamp
    early: int = 0
    late: int = 0
    stray: pd.Timestamp | None = None


def count_months(times: pd.Series) -> dict[str, Month]:
    """Count UTC times by month; missing ones are left out."""
    known = times.dropna()
    if len(known) == 0:
        return {}
    days = pd.DatetimeIndex(known).tz_localize(None)
    found = pd.Series(days).groupby(np.asarray(days.values.astype("datetime64[M]"))).agg(["size", "min", "max"])
    return {
        f"{month:%Y-%m}": (int(rows), first.isoformat(), last.isoformat())
        for month, rows, first, last in zip(found.index, found["size"], found["min"], found["max"], strict=True)
    }


def add_months(months: Months, more: Months) -> dict[str, Month]:
    """Return the counts of both together."""
    both = dict(months)
    for key, (rows, first, last) in more.items():
        had = both.get(key)
        both[key] = (rows, first, last) if had is None else (had[0] + rows, min(had[1], first), max(had[2], last))
    return dict(sorted(both.items()))


def span_of(months: Months) -> Span | None:
    """Where most of the times lie; None without any."""
    found = [(rows, _utc(first), _utc(last)) for rows, first, last in (months[key] for key in sorted(months))]
    if not found:
        return None
    head = _strays(found, FEW_EARLY, reverse=False)
    rest = found[head:]
    tail = _strays(rest[::-1], FEW_LATE, reverse=True)
    kept = rest[: len(rest) - tail]
    early, late = sum(row[0] for row in found[:head]), sum(row[0] for row in rest[len(kept) :])
    stray = found[0][1] if head else rest[-1][2] if tail else None
    return Span(kept[0][1], kept[-1][2], early, late, stray)


def span_of_times(times: pd.Series) -> Span | None:
    """Where most of the UTC times lie; None without any."""
    return span_of(count_months(times))


def _strays(found: Sequence[tuple[int, pd.Timestamp, pd.Timestamp]], few: float, *, reverse: bool) -> int:
    """Count the months at the beginning that hold few rows, far from all later ones."""
    total, strays = sum(row[0] for row in found), 0
    gaps = [before[1] - after[2] if reverse else after[1] - before[2] for before, after in pairwise(found)]
    for cut in range(1, len(found)):
        rows = sum(row[0] for row in found[:cut])
        if rows > max(1, few * total) or total - rows < FEWEST:
            break
        if gaps[cut - 1] > max(GAP, WIDER * max(gaps[cut:], default=pd.Timedelta(0))):
            strays = cut
    return strays


def _utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC").as_unit("us")


def followed_until(state: TableState) -> pd.Timestamp | None:
    """Return until when a table was followed: as its sources declared, else the last time that it tells (UTC)."""
    span = span_of(state.months)
    declared = None if state.declared_until is None else _utc(state.declared_until)
    return max(
        (moment for moment in (declared, None if span is None else span.last) if moment is not None), default=None
    )
