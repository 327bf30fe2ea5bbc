"""Names that are written wrong: what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

SHOWN: Final = 12


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the most similar name, in any case; None where no name is similar.

    >>> nearest("Device", ["outlet_id", "device_id"])
    'device_id'
    """
    by_lower_case = {each.lower(): each for each in names}
    found = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.5)
    return by_lower_case[found[0]] if found else None


def suggestion(name: str, names: Iterable[str], called: str) -> str:
    """Hint about an unknown name: the nearest there is, else the first that there are.

    >>> suggestion("repairz", ["repairs", "stock"], "Tables")
    "Did you mean 'repairs'?"
    >>> suggestion("x", ["repairs", "stock"], "Tables")
    'Tables: repairs, stock.'
    """
    there = list(names)
    near = nearest(name, there)
    if near is not None:
        return f"Did you mean '{near}'?"
    return f"{called}: {', '.join(there[:SHOWN])}{', ...' if there[SHOWN:] else ''}."
