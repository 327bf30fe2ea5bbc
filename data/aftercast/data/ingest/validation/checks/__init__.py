"""The checks of a batch, one a file; each is found by its place in this package.

A check module has ``REASON`` (the word the quarantine uses), ``ORDER`` (a row in breach of several is quarantined for
the lowest) and ``check(draft)``, which yields findings.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Protocol, cast

from aftercast.data.ingest.validation.draft import Draft, Finding


class Check(Protocol):
    """What a check module offers."""

    REASON: str
    ORDER: int

    def check(self, draft: Draft) -> Iterator[Finding]:
        """Yield what breaks the contract."""


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check of this package, in order."""
    modules = [importlib.import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__)]
    checks = [cast("Check", module) for module in modules]
    return tuple(sorted(checks, key=lambda check: check.ORDER))
