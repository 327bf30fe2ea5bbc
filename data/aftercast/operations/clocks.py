"""The two clocks (event_time, available_at), both UTC in microseconds, and the durations counted on them.

Inside kernels a time is an ``int64`` of microseconds since 1970-01-01 UTC; in frames it is ``datetime64[us, UTC]``.
``NaT`` is :data:`NEVER` there: a time after every cutoff.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.operations.errors import InputError, SettingsError

TIME_DTYPE: Final = "datetime64[us, UTC]"
NEVER: Final = np.iinfo(np.int64).max
HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
EARLIEST: Final = pd.Timestamp("1900-01-01", tz="UTC")
LATEST: Final = pd.Timestamp("2200-01-01", tz="UTC")
"""Facts lie in [EARLIEST, LATEST): other times are slips or stand for "never", and arithmetic may overflow on them."""

AHEAD: Final = pd.Timedelta(minutes=5)
"""How far the clock of a sender may be ahead of ours."""

_UNITS: Final = {"s": 1_000_000, "m": 60_000_000, "min": 60_000_000, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US}
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)\s*")


@lru_cache(maxsize=256)
def parse_duration_us(text: str) -> int:
    """Microseconds of a duration written as number and unit (s, m, h, d, w).

    >>> parse_duration_us("24h") == parse_duration_us("1d") == 86_400_000_000
    True
    """
    match = _DURATION.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise SettingsError(f"'{text}' is not a duration.", "Write a positive number and a unit: 30m, 24h, 7d, 2w.")
    return round(float(match[1]) * _UNITS[match[2]])


def format_duration(duration_us: int) -> str:
    """Shortest exact text of a duration in days or hours.

    >>> format_duration(7 * 86_400_000_000), format_duration(3 * 3_600_000_000)
    ('7d', '3h')
    """
    if duration_us % DAY_US == 0:
        return f"{duration_us // DAY_US}d"
    return f"{duration_us / HOUR_US:g}h"


def parse_time(text: str) -> pd.Timestamp:
    """UTC instant of an ISO 8601 text; a date alone means 00:00 UTC of that day, a time needs no zone to mean UTC.

    This reading is for what a person types at the command line; data files must name their zone.
    """
    try:
        moment = pd.Timestamp(text)
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"'{text}' is not a date or time.", "Write it as 2026-01-31 or 2026-01-31T06:00."
        ) from error
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    return moment.as_unit("us")


def to_us(times: pd.Series | pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Microseconds since the epoch of UTC times, shape (n,); NaT becomes :data:`NEVER`."""
    if getattr(times.dtype, "tz", None) is None:
        raise InputError("Times without a time zone reached a kernel.", "Convert with `from_us` or localise to UTC.")
    missing = np.asarray(times.isna())
    values = pd.DatetimeIndex(times).as_unit("us").asi8.copy()
    values[missing] = NEVER
    return values


def from_us(values: npt.NDArray[np.int64]) -> pd.DatetimeIndex:
    """UTC times of microseconds since the epoch, shape (n,); :data:`NEVER` becomes NaT."""
    filled = np.where(values == NEVER, np.iinfo(np.int64).min, values)
    return pd.DatetimeIndex(filled.view("datetime64[us]")).tz_localize("UTC")


def timestamp_us(moment: pd.Timestamp) -> int:
    """Microseconds since the epoch of one UTC instant."""
    return int(moment.as_unit("us").asm8.astype(np.int64))


def cutoff_grid(first: pd.Timestamp, last: pd.Timestamp, every_us: int) -> npt.NDArray[np.int64]:
    """Cutoffs from first to last, both included where they fall on the grid, shape (k,), microseconds."""
    start, stop = timestamp_us(first), timestamp_us(last)
    return np.arange(start, stop + 1, every_us, dtype=np.int64)
