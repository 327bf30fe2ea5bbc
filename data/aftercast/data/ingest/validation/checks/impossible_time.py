"""A time at which nothing of a device or customer can have happened, such as the year 9999.

One such row would end the range of every table: cutoffs would be made for thousands of years, and some arithmetic on
times overflows. Where the cell is an optional end (retired, warranty), other systems write it for "never", so only the
cell goes to quarantine.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from aftercast.data.contract import Column
from aftercast.data.ingest.validation.draft import Draft, Finding, Mask
from aftercast.operations.clocks import EARLIEST, LATEST

REASON = "impossible_time"
ORDER = 15
ABOUT = f"lies before {EARLIEST:%Y} or after {LATEST:%Y}"


def check(draft: Draft) -> Iterator[Finding]:
    """Yield rows with a time outside [EARLIEST, LATEST), cells where it is one the row can do without."""
    for column in draft.table.columns:
        if column.kind in {"time", "date"} and column.name in draft.frame.columns:
            rows = _impossible(draft.frame[column.name])
            if rows.any():
                yield Finding(REASON, rows, column.name, ABOUT, cell_only=not _needed(draft, column))


def _impossible(times: pd.Series) -> Mask:
    zone = times.dt.tz
    first, end = (each.tz_localize(None) if zone is None else each for each in (EARLIEST, LATEST))
    return np.asarray((times < first) | (times >= end))


def _needed(draft: Draft, column: Column) -> bool:
    """Whether a row says nothing without this column: one that is required, or tells what the row is about."""
    return column.required or column.name in draft.table.until
