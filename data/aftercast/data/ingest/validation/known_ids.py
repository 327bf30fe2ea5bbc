"""Ids that exist, and which of them an unknown one is nearly: zeros, case, or characters that nobody sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Final

INVISIBLE: Final = re.compile(r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
DIFFERENCES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("leading zeros lost", lambda text: text.removesuffix(".0").lstrip("0")),
    ("upper and lower case", str.casefold),
    ("invisible characters", lambda text: INVISIBLE.sub("", " ".join(unicodedata.normalize("NFKC", text).split()))),
)
"""What an id may differ in, and the id without it."""


class KnownIds(set[str]):
    """Ids that exist; remembers what they look like without what people overlook."""

    def __init__(self, ids: set[str] | frozenset[str] = frozenset()) -> None:
        super().__init__(ids)
        self._plain: dict[str, dict[str, str]] = {}
        self._counted = -1

    def near(self, unknown: str) -> str | None:
        """Return what an unknown id may have been meant to be, the end of a sentence; None where nothing is near.

        >>> KnownIds({"0001", "Pump"}).near("1")
        "did you mean '0001': leading zeros lost?"
        >>> KnownIds({"0001", "Pump"}).near("pump")
        "did you mean 'Pump': upper and lower case?"
        >>> KnownIds({"0001", "Pump"}).near("2")
        """
        if self._counted != len(self):
            self._plain = {what: {plain(each): each for each in self} for what, plain in DIFFERENCES}
            self._counted = len(self)
        for what, plain in DIFFERENCES:
            meant = self._plain[what].get(plain(unknown))
            if meant is not None and meant != unknown:
                return f"did you mean '{meant}': {what}?"
        return None
