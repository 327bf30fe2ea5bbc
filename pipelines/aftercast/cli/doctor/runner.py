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

from aftercast.cli.doctor import checks
from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding, guarded
from aftercast.cli.doctor.reach import OverdueError, within

FIRST: Final = (
    "settings",
    "fleet",
    "folder",
    "libraries",
    "database",
    "store",
    "unlisted",
    "mlflow",
    "champion",
    "rows",
)
"""The others follow in the order of their names."""
CHECK_S: Final = 20.0
"""Longest time of a check; what each waits for has a shorter limit of its own."""
HANGS: Final = "Look for a disk, server or lock that hangs, and run `aftercast doctor` again."


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
    deployment = Deployment(folder, now)
    try:
        for name in names():
            for finding in _bounded(name, deployment):
                yield Line(name, finding)
    finally:
        deployment.close()


def _bounded(name: str, deployment: Deployment) -> list[Finding]:
    """What a check finds until it ends, or until its time is over: a disk or server may hang in ways nobody foresaw."""
    check, found = _module(name).check, []

    def run() -> None:
        for finding in guarded(name, lambda: check(deployment)):
            found.append(finding)  # noqa: PERF402  # each as it comes: what is known before the end counts

    try:
        within(CHECK_S, run, what=f"What '{name}' looks at", hint=HANGS)
    except OverdueError as error:
        return [*found, Finding("problem", error.message, error.hint)]
    return found


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{checks.__name__}.{name}")
