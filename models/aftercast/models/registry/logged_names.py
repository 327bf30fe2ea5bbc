"""Names that MLflow takes for metrics and parameters, made from names that users chose."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 200
"""Characters of a name; MLflow takes 250, and a digest may follow."""
_REFUSED: Final = re.compile(r"[^/\w.\- :]")
_MARKED: Final = (("@", "_at_"), ("%", "_percent"))


def logged_names(names: Iterable[str]) -> dict[str, str]:
    """Name as MLflow takes it of every name, all different.

    What MLflow refuses becomes ``_``. Of names that would become one, each that had to be changed ends with a digest of
    its own characters; a name that MLflow takes as it is stays as it is.

    >>> list(logged_names(["failures.Motor (left)", "recall@5%"]).values())
    ['failures.Motor _left_', 'recall_at_5_percent']
    >>> len(set(logged_names(["A+B", "A&B", "A_B", "a_b"]).values()))
    4
    """
    plain = {name: _plain(name) for name in names}
    held: dict[str, set[str]] = {}
    for name, logged in plain.items():  # some databases of MLflow take capitals for small letters
        held.setdefault(logged.casefold(), set()).add(name)
    return {
        name: logged if len(held[logged.casefold()]) == 1 or logged == name else f"{logged}_{_digest(name)}"
        for name, logged in plain.items()
    }


def _plain(name: str) -> str:
    for sign, word in _MARKED:
        name = name.replace(sign, word)
    plain = _REFUSED.sub("_", name)[:LONGEST]
    # MLflow may take a name for a path, which must not lead anywhere else.
    norm = posixpath.normpath(plain)
    return plain if norm == plain and norm[:1] not in {".", "/"} else plain.replace("/", "_").lstrip(".") or "_"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
