"""Running every check of ``doctor/checks`` on a workspace, in an order in which causes come before what they cause."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import pandas as pd

from aftercast.pipelines.doctor import checks
from aftercast.pipelines.doctor.findings import Finding, guarded
from aftercast.pipelines.doctor.patient import Patient

FIRST: Final = ("settings", "fleet", "folder", "libraries", "database", "store", "mlflow", "champion", "rows")
"""The others follow in the order of their names."""


@dataclass(frozen=True)
class Line:
    """One line of the report: a finding, and the check that made it."""

    check: str
    finding: Finding


def names() -> list[str]:
    """Names of all checks, in the order in which they run."""
    found = sorted(module.name for module in pkgutil.iter_modules(checks.__path__))
    return [*(name for name in FIRST if name in found), *(name for name in found if name not in FIRST)]


def about(name: str) -> str:
    """What a check looks at, the first line of its docstring."""
    return (_module(name).__doc__ or "").strip().splitlines()[0]


def examine(folder: Path, now: pd.Timestamp | None = None) -> Iterator[Line]:
    """Run every check; each says at least one thing.

    Parameters
    ----------
    now
        Instant of the examination (UTC), the clock's by default.
    """
    patient = Patient(folder, now)
    for name in names():
        check = _module(name).check
        for finding in guarded(lambda check=check: check(patient)):  # type: ignore[misc]
            yield Line(name, finding)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{checks.__name__}.{name}")
