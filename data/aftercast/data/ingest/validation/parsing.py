"""Cells of any kind into the contract's types; a cell that cannot be read is reported, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.contract import Kind
from aftercast.operations.clocks import TIME_DTYPE

MISSING_WORDS: Final = frozenset({"", "na", "n/a", "nan", "nat", "none", "null", "-"})
"""What stands for a missing number, time or choice; in a text only the empty cell does, since NA may be Namibia."""
EMPTY: Final = frozenset({""})
TRUE_WORDS: Final = frozenset({"true", "yes", "y", "t", "1"})
FALSE_WORDS: Final = frozenset({"false", "no", "n", "f", "0"})
ZONE: Final = r"(?:[zZ]|[+-]\d{2}:?\d{2}|[+-]\d{2})$"
DATE_ONLY: Final = r"^\d{4}-\d{2}(?:-\d{2})?$"
_CODE_LIKE: Final = re.compile(r"[+-]?0\d")


@dataclass(frozen=True)
class Parsed:
    """Typed values, shape (n,), and which cells could not be read or are times without a zone."""

    values: pd.Series
    unparsable: Mask
    naive: Mask


def parse_cells(values: pd.Series, kind: Kind) -> Parsed:
    """Parse one column into a kind of the contract; unreadable cells become missing and are marked."""
    return _PARSERS[kind](values)


def as_stored(values: Sequence[Any]) -> list[Any]:
    """Cells as a text column of the contract will have them, each by itself: trimmed, empty ones as None.

    What is no text stays as it is, and is refused later: 21.0 may have been the code 21, or 21.0.

    >>> as_stored([" D1", 7, "NA", " ", None, 21.0])
    ['D1', '7', 'NA', None, None, 21.0]
    """
    return [
        value if value is None or isinstance(value, bool | float) else str(value).strip() or None for value in values
    ]


def how_to_write(values: pd.Series) -> str:
    """How a time or a calendar day is written, the end of a sentence about a cell of typed values; empty for others.

    >>> how_to_write(pd.Series(["x"]))
    ''
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return "; write it as 2026-04-03T00:00:00+08:00"
    return "; write it as 2026-04-03" if pd.api.types.is_datetime64_any_dtype(values.dtype) else ""


def parse_open(values: pd.Series) -> Parsed:
    """Parse an attribute the contract does not list and nobody sent before: as numbers where all cells are.

    Digits with a leading zero are a code, not a number.
    """
    if pd.api.types.is_bool_dtype(values.dtype):
        return parse_cells(values, "bool")
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return parse_cells(values, "time")
    numbers = parse_cells(values, "float")
    if not numbers.unparsable.any() and (numbers.values.notna().any() or _text(values).isna().all()):
        if pd.api.types.is_numeric_dtype(values.dtype):
            return numbers
        if not any(_CODE_LIKE.match(text) for text in _text(values).dropna().unique()):
            return numbers
    return parse_cells(values, "text")


def without_words(parsed: Parsed, words: frozenset[str]) -> Parsed:
    """Return text without the cells that hold one of the words (in lower case) for a missing value."""
    codes, texts = pd.factorize(parsed.values)
    gone = np.array([*(str(text).lower() in words for text in texts), False], dtype=bool)[codes]
    return Parsed(parsed.values.mask(gone), parsed.unparsable, parsed.naive) if gone.any() else parsed


def parse_reading(values: pd.Series, parsed: Parsed) -> Parsed:
    """Parse readings, of which some could not be read as numbers: true is 1, and false 0."""
    if not parsed.unparsable.any():
        return parsed
    words = _text(values).str.lower()
    flags = words.map({"true": 1.0, "false": 0.0}).astype("float64")
    return Parsed(parsed.values.where(flags.isna(), flags), parsed.unparsable & np.asarray(flags.isna()), parsed.naive)


def _clean(values: pd.Series, unparsable: Mask | None = None, naive: Mask | None = None) -> Parsed:
    none = np.zeros(len(values), dtype=bool)
    return Parsed(values, none if unparsable is None else unparsable, none if naive is None else naive)


def _text(values: pd.Series, missing: frozenset[str] | None = None) -> pd.Series:
    """Trimmed text with missing words as missing; whole numbers without a decimal point."""
    words = MISSING_WORDS if missing is None else missing
    if pd.api.types.is_float_dtype(values.dtype):
        whole = values.notna() & (values % 1 == 0) & (values.abs() < 2**53)
        texts = values.astype("object").where(~whole, values.where(whole, 0).astype("int64").astype("object"))
        return texts.where(values.notna(), None).map(str, na_action="ignore").astype("str")
    codes, uniques = pd.factorize(values)
    stripped = [str(unique).strip() for unique in uniques]
    trimmed = np.array([*(None if text.lower() in words else text for text in stripped), None], dtype=object)
    return pd.Series(trimmed[codes], index=values.index, dtype="str")


def _parse_text(values: pd.Series) -> Parsed:
    """Text; only the empty cell is missing. Of single values true, false and 21.0 are refused: nobody knows as what."""
    if values.dtype != object or pd.api.types.infer_dtype(values, skipna=True) in {"string", "integer", "empty"}:
        return _clean(_text(values, EMPTY))
    odd = np.array([isinstance(each, bool | np.bool_ | float | np.floating) for each in values], dtype=bool)
    odd &= np.asarray(values.notna())
    return _clean(_text(values.mask(odd, None), EMPTY), odd)


def _parse_float(values: pd.Series) -> Parsed:
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _clean(pd.Series(values.to_numpy(dtype="float64", na_value=np.nan), index=values.index))
    texts = _text(values, MISSING_WORDS)
    numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    return _clean(numbers, np.asarray(texts.notna() & numbers.isna()))


def _parse_int(values: pd.Series) -> Parsed:
    parsed = _parse_float(values)
    broken = np.asarray(parsed.values.notna() & (parsed.values % 1 != 0))
    return _clean(parsed.values.mask(broken).astype("Int64"), parsed.unparsable | broken)


def _parse_bool(values: pd.Series) -> Parsed:
    words = _text(values, MISSING_WORDS).str.lower().str.removesuffix(".0")
    result = pd.Series(pd.NA, index=values.index, dtype="boolean")
    result[np.asarray(words.isin(TRUE_WORDS))] = True
    result[np.asarray(words.isin(FALSE_WORDS))] = False
    return _clean(result, np.asarray(words.notna() & result.isna()))


def _parse_time(values: pd.Series) -> Parsed:
    """UTC microseconds; a whole instant with its zone is wanted, numbers are refused as unreadable."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return _clean(values.dt.tz_convert("UTC").astype(TIME_DTYPE))
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return _clean(_no_times(values), naive=np.asarray(values.notna()))
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _clean(_no_times(values), np.asarray(values.notna()))
    return _parse_time_text(values)


def _parse_time_text(values: pd.Series) -> Parsed:
    codes, uniques = pd.factorize(_text(values, MISSING_WORDS))
    texts = pd.Series(uniques, dtype="str").str.replace(r"\s*(?:UTC|GMT)$", "Z", regex=True)
    zoned = texts.str.contains(ZONE, regex=True) & ~texts.str.contains(DATE_ONLY, regex=True)
    times = pd.to_datetime(texts, utc=True, format="ISO8601", errors="coerce").astype(TIME_DTYPE)
    readable = np.asarray(times.notna())
    naive = readable & ~np.asarray(zoned, dtype=bool)
    times = times.mask(naive)
    spread = pd.concat([times, pd.Series([pd.NaT], dtype=TIME_DTYPE)], ignore_index=True).take(codes)
    spread.index = values.index
    return _clean(spread, np.append(~readable, False)[codes], np.append(naive, False)[codes])


def _no_times(values: pd.Series) -> pd.Series:
    return pd.Series(pd.NaT, index=values.index, dtype=TIME_DTYPE)


def _parse_date(values: pd.Series) -> Parsed:
    """Calendar days at midnight, without a zone: a day of the outlet, not an instant."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        days = values.dt.tz_localize(None) if isinstance(values.dtype, pd.DatetimeTZDtype) else values
        return _clean(days.dt.normalize().astype("datetime64[us]"))
    texts = _text(values, MISSING_WORDS)
    days = pd.to_datetime(texts, format="%Y-%m-%d", errors="coerce").astype("datetime64[us]")
    return _clean(days, np.asarray(texts.notna() & days.isna()))


_PARSERS: Final[dict[Kind, Callable[[pd.Series], Parsed]]] = {
    "text": _parse_text,
    "float": _parse_float,
    "int": _parse_int,
    "bool": _parse_bool,
    "time": _parse_time,
    "date": _parse_date,
}
