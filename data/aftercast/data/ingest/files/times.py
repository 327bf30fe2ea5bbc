"""Times as people write them, into instants of UTC by a zone and a format that somebody stated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.ingest.validation.parsing import DATE_ONLY, ZONE
from aftercast.operations.clocks import TIME_DTYPE

EPOCHS: Final[dict[str, Literal["s", "ms"]]] = {"epoch_s": "s", "epoch_ms": "ms"}
AMBIGUOUS: Final = "happened twice when the clocks of its zone went back: write it with its offset, as in +01:00"
SKIPPED: Final = "does not exist: the clocks of its zone went forward over it"
_CLOCK_PART: Final = re.compile(r"[T ]%[HI].*$")
_DAY_ONLY_US: Final = 86_400_000_000


@dataclass(frozen=True)
class ReadTimes:
    """Instants, shape (n,), NaT where missing or not read, and the rows at fault for each reason in words."""

    values: pd.Series
    faults: dict[str, Mask]
    naive: Mask
    """Cells that have no zone where none was stated."""
    unread: Mask
    """Cells in no known writing."""


def read_times(cells: pd.Series, zone: str, time_format: str) -> ReadTimes:
    """Instants of a column of text or of typed times.

    A cell with an offset of its own keeps it. A day alone is its first moment in the zone.

    Parameters
    ----------
    zone
        Name of the zone of times without one; empty where nobody stated it.
    time_format
        As in ``%d.%m.%Y %H:%M`` (with or without seconds, or the day alone), ``epoch_s`` or ``epoch_ms``. ISO 8601 is
        always understood.
    """
    codes, uniques = pd.factorize(cells)
    found = _read_unique(pd.Series(uniques), zone, time_format)
    spread = pd.concat([found.values, pd.Series([pd.NaT], dtype=TIME_DTYPE)], ignore_index=True).take(codes)
    spread.index = cells.index
    return ReadTimes(
        spread,
        {about: _spread(rows, codes) for about, rows in found.faults.items() if rows.any()},
        _spread(found.naive, codes),
        _spread(found.unread, codes),
    )


def _spread(mask: Mask, codes: np.ndarray) -> Mask:
    return np.asarray(np.append(mask, False)[codes], dtype=bool)


def _read_unique(cells: pd.Series, zone: str, time_format: str) -> ReadTimes:
    if time_format in EPOCHS:
        return _epochs(cells, EPOCHS[time_format])
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        zoned, naive = cells.dt.tz_convert("UTC").astype(TIME_DTYPE), pd.Series(pd.NaT, index=cells.index)
    elif pd.api.types.is_datetime64_any_dtype(cells.dtype):
        zoned, naive = pd.Series(pd.NaT, index=cells.index, dtype=TIME_DTYPE), cells
    else:
        zoned, naive = _from_text(cells.map(str), time_format)
    naive = naive.astype("datetime64[us]")
    bare, unread = np.asarray(naive.notna()), np.asarray(naive.isna() & zoned.isna())
    if not zone:
        return ReadTimes(zoned, {}, bare, unread)
    local, faults = _localized(naive, zone)
    return ReadTimes(zoned.where(zoned.notna(), local), faults, np.zeros(len(cells), dtype=bool), unread)


def _epochs(cells: pd.Series, unit: Literal["s", "ms"]) -> ReadTimes:
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    broken = np.asarray(~np.isfinite(numbers) | (numbers.abs() > (4e11 if unit == "ms" else 4e8) * 1000))
    scale = 1_000_000 if unit == "s" else 1000
    micros = (numbers.where(~broken, 0.0) * scale).round().astype("int64")
    values = pd.to_datetime(micros, unit="us", utc=True).astype(TIME_DTYPE).mask(broken)
    return ReadTimes(values, {}, np.zeros(len(cells), dtype=bool), broken)


def _from_text(texts: pd.Series, time_format: str) -> tuple[pd.Series, pd.Series]:
    """Instants of the texts that carry their zone, and local times of the others."""
    texts = texts.str.strip().str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
    has_zone = texts.str.contains(ZONE, regex=True) & ~texts.str.contains(DATE_ONLY, regex=True)
    zoned = pd.to_datetime(texts.where(has_zone), utc=True, format="ISO8601", errors="coerce").astype(TIME_DTYPE)
    local = pd.to_datetime(texts.mask(has_zone), format="ISO8601", errors="coerce")
    local = local.astype("datetime64[us]")
    for form in _variants(time_format):
        open_ = local.isna() & zoned.isna()
        if not open_.any():
            break
        if "%z" in form:
            read = pd.to_datetime(texts.where(open_), format=form, errors="coerce", utc=True)
            zoned = zoned.where(zoned.notna(), read.astype(TIME_DTYPE))
        else:
            read = pd.to_datetime(texts.where(open_), format=form, errors="coerce")
            local = local.where(local.notna(), read.astype("datetime64[us]"))
    return zoned, local


def _variants(time_format: str) -> list[str]:
    """The format, with seconds, without them, and its day alone.

    >>> _variants("%d.%m.%Y %H:%M")
    ['%d.%m.%Y %H:%M', '%d.%m.%Y %H:%M:%S', '%d.%m.%Y']
    """
    if not time_format:
        return []
    forms = [time_format, _CLOCK_PART.sub("", time_format)]
    if time_format.endswith("%H:%M"):
        forms.insert(1, f"{time_format}:%S")
    if time_format.endswith("%H:%M:%S"):
        forms[1:1] = [time_format.removesuffix(":%S"), f"{time_format}.%f"]
    return list(dict.fromkeys(forms))


def _localized(naive: pd.Series, zone: str) -> tuple[pd.Series, dict[str, Mask]]:
    """Instants of local times, and the ones that a change of the clocks made ambiguous or left out."""
    place = ZoneInfo(zone)
    sure = naive.dt.tz_localize(place, ambiguous="NaT", nonexistent="NaT")
    there = naive.notna() & sure.isna()
    faults: dict[str, Mask] = {}
    if there.any():
        first = np.ones(len(naive), dtype=bool)
        skipped = np.asarray(there & naive.dt.tz_localize(place, ambiguous=first, nonexistent="NaT").isna())
        faults = {AMBIGUOUS: np.asarray(there) & ~skipped, SKIPPED: skipped}
    return sure.dt.tz_convert("UTC").astype(TIME_DTYPE), faults
