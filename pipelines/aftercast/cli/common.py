"""What the commands share: options, output, and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from aftercast.operations.environment import default_workspace

if TYPE_CHECKING:  # opening a workspace loads pandas and SQLAlchemy, which help does not need
    import pandas as pd

    from aftercast.data.workspace import Workspace

KindName = Literal["failure", "churn"]
WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Workspace folder. [default: $AFTERCAST_WORKSPACE, else .]")
]
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Booster settings, e.g. of `aftercast tune --out FILE`."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def opened(folder: Path | None) -> Workspace:
    """Open the workspace a command was given."""
    from aftercast.data.workspace import open_workspace

    return open_workspace(default_workspace() if folder is None else folder)


def instant(text: str | None) -> pd.Timestamp | None:
    """UTC instant a person typed, None where nothing was."""
    from aftercast.operations.clocks import parse_time

    return None if text is None else parse_time(text)


def say(text: str = "") -> None:
    """Print a line for people or pipes."""
    typer.echo(text)


def note(text: str) -> None:
    """Print a line about what is going on; on stderr, so that output stays clean."""
    typer.echo(text, err=True)


def print_json(content: Any) -> None:
    """Print JSON, whole and strict: no NaN."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def print_table(title: str, columns: list[str], rows: list[list[str]], *, right: frozenset[int] = frozenset()) -> None:
    """Print a table; columns whose index is in right are aligned there."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table(title=title or None, title_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


@contextmanager
def progress(what: str) -> Iterator[Callable[[str, int], None]]:
    """Show on stderr that something is being done; the yielded function tells of what and how many so far."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status(what) as status:

        def tell(about: str, count: int) -> None:
            status.update(f"{what} {about} {count:,}")

        yield tell
