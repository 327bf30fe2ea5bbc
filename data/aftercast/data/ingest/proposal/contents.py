"""What the cells of a column are: numbers, times in some writing, or words."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

import pandas as pd

from aftercast.data.ingest.files.dialects import Style
from aftercast.data.ingest.files.numbers import read_numbers
from aftercast.data.ingest.files.times import read_times

MOST: Final = 0.95
DAYS: Final = ("%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y",
               "%Y%m%d", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d/%m/%y", "%m/%d/%y")  # fmt: skip
CLOCKS: Final = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "%H时%M分")
MISSING: Final = (
    "NA",
    "N/A",
    "n/a",
    "n.a.",
    "NaN",
    "nan",
    "NULL",
    "null",
    "None",
    "-",
    "--",
    "?",
    "#N/A",
    "无",
    "缺失",
)
ISO: Final = ""
_TIMELIKE: Final = re.compile(r"\d[-/.年 ]\s?\w+[-/.月 ]|^(19|20)\d{6}$|^\w{3} \d+,|^\d{4}-\d\d")
_DIGIT: Final = re.compile(r"\d")
SECONDS: Final = (6e8, 2.5e9)
"""Epoch seconds of the years 1989 to 2049."""
DISTINCT: Final = 5000
"""Different cells that are looked at."""


class Content:
    """One column of a sample.

    Parameters
    ----------
    cells
        As the reader gives them, text or typed.
    style
        How the place writes numbers.
    """

    def __init__(self, cells: pd.Series, style: Style) -> None:
        self.cells = cells
        self._style = style

    @cached_property
    def texts(self) -> pd.Series:
        """Different cells that hold something, as text."""
        unique = pd.Series(self.cells.dropna().unique()[:DISTINCT]).map(str).str.strip()
        return unique[unique != ""]

    @cached_property
    def missing_words(self) -> tuple[str, ...]:
        """Words that must stand for a missing value, since all other cells are numbers or times."""
        said = [word for word in MISSING if bool((self.texts == word).any())]
        rest = self.texts[~self.texts.isin(said)]
        return tuple(said) if said and len(rest) > 0 and (self._numeric(rest) or self._formats(rest)) else ()

    @cached_property
    def held(self) -> pd.Series:
        """Different cells without the words that stand for a missing value."""
        return self.texts[~self.texts.isin(self.missing_words)]

    @cached_property
    def is_number(self) -> bool:
        """Whether nearly all cells are numbers."""
        if isinstance(self.cells.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(self.cells.dtype):
            return False
        return len(self.held) > 0 and self._numeric(self.held)

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """Formats in which all cells are times, ISO 8601 as the empty one; several where day and month may change."""
        if pd.api.types.is_datetime64_any_dtype(self.cells.dtype):
            return (ISO,)
        return self._formats(self.held)

    @cached_property
    def epoch(self) -> str:
        """``epoch_s`` or ``epoch_ms`` where all cells are numbers that could be such times of our days."""
        numbers = pd.to_numeric(self.held, errors="coerce")
        for name, scale in (("epoch_s", 1.0), ("epoch_ms", 1000.0)):
            if len(numbers) > 0 and bool(numbers.between(SECONDS[0] * scale, SECONDS[1] * scale).all()):
                return name
        return ""

    @cached_property
    def is_time(self) -> bool:
        """Whether all cells are times, in whatever writing."""
        return bool(self.formats) or isinstance(self.cells.dtype, pd.DatetimeTZDtype)

    def has_zone(self, time_format: str) -> bool:
        """Whether each time carries its zone."""
        if isinstance(self.cells.dtype, pd.DatetimeTZDtype) or time_format.startswith("epoch"):
            return True
        read = read_times(self.held if self._is_text else self.cells.dropna(), "", time_format)
        return not read.naive.any()

    def is_day_only(self, time_format: str) -> bool:
        """Whether every time is the first moment of a day."""
        held = self.held if self._is_text else self.cells.dropna()
        read = read_times(held, "UTC", time_format).values.dropna()
        return len(read) > 0 and bool((read == read.dt.normalize()).all())

    @property
    def _is_text(self) -> bool:
        return not pd.api.types.is_datetime64_any_dtype(self.cells.dtype) and not isinstance(
            self.cells.dtype, pd.DatetimeTZDtype
        )

    def _numeric(self, cells: pd.Series) -> bool:
        return bool((~read_numbers(cells, self._style)[1]).mean() >= MOST)

    def _formats(self, cells: pd.Series) -> tuple[str, ...]:
        if len(cells) == 0 or float(cells.str.contains(_DIGIT).mean()) < MOST or bool(cells.str.len().max() < 6):
            return ()
        if _TIMELIKE.search(str(cells.iloc[0])) is None:
            return ()
        if _reads(cells, ISO):
            return (ISO,)
        found = (next((day + clock for clock in CLOCKS if _reads(cells, day + clock)), None) for day in DAYS)
        return tuple(form for form in found if form is not None)[:2]


def _reads(cells: pd.Series, time_format: str) -> bool:
    head = cells.head(20)
    if (read_times(head, "UTC", time_format).unread).mean() > 1 - MOST:
        return False
    return bool(read_times(cells, "UTC", time_format).unread.mean() <= 1 - MOST)
