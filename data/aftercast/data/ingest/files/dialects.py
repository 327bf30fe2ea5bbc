"""How a text file separates cells, in which line its names of columns stand, and how it writes numbers."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

import pandas as pd

DELIMITERS: Final = (",", ";", "\t", "|")
LOOKED_AT: Final = 20_000
"""Rows in which the writing of numbers is looked for."""
HEADER_WITHIN: Final = 30
"""Lines in which the names of columns are looked for."""
DECIMALS: Final = (".", ",")
THOUSANDS: Final = ("", ",", ".", " ", "'")
NO_BREAK: Final = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2019": "'"})
"""Other signs that group thousands, as they are written in settings."""
_NUMBERLIKE: Final = re.compile(r"[+-]?\d[\d.,' ]*(?:[eE][+-]?\d+)?")
_TIMELIKE: Final = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T]\d.*)?")

Style = tuple[str, str]
"""Decimal sign and sign that groups thousands."""
PLAIN: Final[Style] = (".", "")


def find_delimiter(text: str) -> str:
    r"""Return the sign that cuts most lines into the same number of cells; a comma where none cuts any.

    >>> find_delimiter("id;cost\nA;1.000,99\n")
    ';'
    """
    best, found = (0.0, 1), ","
    for delimiter in DELIMITERS:
        rows = split(text, delimiter)
        cells, lines = Counter(len(row) for row in rows).most_common(1)[0] if rows else (1, 0)
        score = (lines / max(1, len(rows)), cells)
        if cells > 1 and score > best:
            best, found = score, delimiter
    return found


def split(text: str, delimiter: str) -> list[list[str]]:
    """Cells of each line that is not blank, as far as quotation marks let them be told apart."""
    try:
        return [row for row in csv.reader(text.splitlines(keepends=True), delimiter=delimiter) if any(row)]
    except csv.Error:
        return [line.split(delimiter) for line in text.splitlines() if line]


def find_header(rows: Sequence[Sequence[str]]) -> int:
    """Index of the row with the names of columns: the first one that is as wide as most, is mostly filled and no data.

    >>> find_header([["Export 2016", "", ""], ["id", "ts", "temp"], ["1", "2016-01-01", "3"]])
    1
    """
    widths = Counter(len(row) for row in rows)
    width = max(widths, key=lambda each: (widths[each], each)) if widths else 0
    for index, row in enumerate(rows[:HEADER_WITHIN]):
        filled = [cell for cell in row if cell.strip()]
        if len(row) == width and len(filled) > width / 2 and not any(map(_is_data, filled)):
            return index
    return 0


def _is_data(cell: str) -> bool:
    return _NUMBERLIKE.fullmatch(cell.strip()) is not None or _TIMELIKE.fullmatch(cell.strip()) is not None


@cache
def pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    """Pattern of a whole cell that is a number in a style.

    >>> bool(pattern(",", ".").fullmatch("1.234,5")), bool(pattern(".", ",").fullmatch("12,5"))
    (True, False)
    """
    grouped = rf"|\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+" if thousands else ""
    point = re.escape(decimal)
    return re.compile(rf"[+-]?(?:(?:\d+{grouped})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?")


def find_styles(columns: Iterable[pd.Series], missing: Iterable[str] = ()) -> list[Style]:
    """Styles in which most columns of numbers can be read: one where the cells prove it, several where they do not.

    ``1,234`` alone may be 1234 or 1.234. Columns of text, of times and of plain digits prove nothing.
    """
    left_out = {"", *missing}
    fits: Counter[Style] = Counter()
    for column in columns:
        held = column.head(LOOKED_AT).dropna().unique()
        cells = {str(cell).strip().translate(NO_BREAK) for cell in held} - left_out
        marked = [cell for cell in cells if _NUMBERLIKE.fullmatch(cell) and not cell.lstrip("+-").isdigit()]
        numbers = sum(1 for cell in cells if _NUMBERLIKE.fullmatch(cell))
        if not marked or numbers < 0.9 * len(cells):
            continue
        styles = [(sign, group) for sign in DECIMALS for group in THOUSANDS if sign != group]
        fits.update(style for style in styles if all(pattern(*style).fullmatch(cell) for cell in marked))
    if not fits:
        return [PLAIN]
    most = max(fits.values())
    best = [style for style, count in fits.items() if count == most]
    if PLAIN in best:
        return [PLAIN]
    simplest = [style for style in best if not any(_is_simpler(other, style) for other in best)]
    return sorted(simplest)


def _is_simpler(style: Style, than: Style) -> bool:
    """Whether a style differs from another only by not grouping thousands."""
    return style != than and style[0] == than[0] and not style[1]
