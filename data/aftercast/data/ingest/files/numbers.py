"""Numbers as people write them, into text that every reader of numbers understands."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.ingest.files.dialects import NO_BREAK, PLAIN, Style, pattern
from aftercast.data.ingest.validation.parsing import MISSING_WORDS

CURRENCY: Final = re.compile(r"^\s*[€$£¥￥]\s*|\s*[€$£¥￥元]\s*$")
FLAGS: Final = {"true": "1", "false": "0"}


def read_numbers(cells: pd.Series, style: Style) -> tuple[pd.Series, Mask]:
    """Cells with a point and no grouping, and which of them are no numbers of the style, shape (n,).

    Signs of currencies are left out, true and false are 1 and 0. What is no number stays as it is.
    """
    codes, uniques = pd.factorize(cells)
    written, wrong = [], []
    wanted = pattern(*style)
    for unique in uniques:
        cell = CURRENCY.sub("", str(unique).strip().translate(NO_BREAK))
        cell = FLAGS.get(cell.lower(), cell)
        fits = wanted.fullmatch(cell) is not None
        missing = cell.lower() in MISSING_WORDS
        written.append(_plain(cell, style) if fits else str(unique))
        wrong.append(not (fits or missing))
    spread = np.array([*written, None], dtype=object)[codes]
    return pd.Series(spread, index=cells.index, dtype="str"), np.array([*wrong, False], dtype=bool)[codes]


def _plain(cell: str, style: Style) -> str:
    decimal, thousands = style
    cell = cell.replace(thousands, "") if thousands else cell
    return cell.replace(decimal, ".")


def in_words(style: Style) -> str:
    """Style as a person would say it.

    >>> in_words((",", "."))
    "a number with ',' before decimals and '.' between thousands"
    """
    decimal, thousands = style
    between = f" and '{thousands}' between thousands" if thousands else ""
    return f"a number with '{decimal}' before decimals{between}" if style != PLAIN else "a number"
