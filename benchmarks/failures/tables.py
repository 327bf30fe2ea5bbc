"""Tables of the failure benchmark: a model a row, a figure with its 95 % interval a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

OURS: Final = "aftercast"


def cell(value: float | None, ends: Sequence[float] | None = None) -> str:
    """Figure with its interval; a dash where undefined."""
    if value is None:
        return "-"
    shown = f"{value:.4g}" if abs(value) < 0.01 else f"{value:.3f}"
    return shown if ends is None else f"{shown} [{ends[0]:.3g}, {ends[1]:.3g}]"


def measured(found: Mapping[str, Any], name: str) -> str:
    """Cell of a metric of a report's part, with its interval where there is one."""
    return cell(found[name], (found.get("intervals") or {}).get(name))


def models(names: Sequence[str]) -> list[str]:
    """Ours first, then the others in alphabetical order."""
    return [OURS, *sorted(set(names) - {OURS})]


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
    """Print a table."""
    table = Table(title=title, caption=caption)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
    for row in rows:
        table.add_row(*row)
    Console(width=160).print(table)
