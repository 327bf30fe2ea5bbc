"""Which columns beyond the contract are read: those a fleet spec names, unless they say who rather than how."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

DATE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
PHONE: Final = re.compile(r"(?:\+|00?)[1-9][\d ()/.-]{6,}|\(?\d{2,5}[)/ -][\d ()/.-]{5,}\d")
MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
LOOKED_AT: Final = 200
MOST: Final = 0.9
FEWEST_ROWS: Final = 50


def why_not_read(values: pd.Series) -> str | None:
    """Return why a column is no feature, the end of a sentence that begins with "it holds"; None where it may be one.

    >>> why_not_read(pd.Series(["2026-01-31", "2026-02-01"]))
    'times'
    >>> why_not_read(pd.Series(["red", "blue"]))
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "times"
    held = values.dropna()
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype) or len(held) == 0:
        return None
    texts = held.astype("str").str.strip()
    distinct = [text for text in texts.unique()[:LOOKED_AT] if text]
    for pattern, called in ((DATE, "times"), (MAIL, "e-mail addresses"), (PHONE, "phone numbers")):
        like = sum((pattern.match if pattern is DATE else pattern.fullmatch)(text) is not None for text in distinct)
        if distinct and like >= MOST * len(distinct):
            return called
    if len(texts) >= FEWEST_ROWS and texts.nunique() > MOST * len(texts):
        numeric = pd.to_numeric(texts, errors="coerce").notna().mean() > MOST
        return None if numeric else "another text in nearly every row"
    return None
