"""What the commands share: options, output, and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from aftercast.models.kinds import kind_names
from aftercast.operations.environment import default_workspace
from aftercast.operations.errors import SettingsError

if TYPE_CHECKING:  # opening a workspace loads pandas and SQLAlchemy, which help does not need
    import pandas as pd
    from rich.console import RenderableType

    from aftercast.data.workspace import Workspace

PANELS = ("Set up", "Data", "Models", "Plan", "Serve and operate")
"""Headings of the help, in order; each command names its own."""


def kind_name(text: str) -> str:
    """Return the name of a kind, one of the folders that there are when a command runs.

    Raises
    ------
    BadParameter
        If there is no such kind.
    """
    if text not in kind_names():
        raise typer.BadParameter(f"'{text}' is not one of {', '.join(kind_names())}.")
    return text


KindArgument = Annotated[
    str, typer.Argument(metavar="KIND", parser=kind_name, help=f"One of {', '.join(kind_names())}.")
]
KindOption = Annotated[
    str, typer.Option("--kind", metavar="KIND", parser=kind_name, help=f"One of {', '.join(kind_names())}.")
]
WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Workspace folder. [default: $AFTERCAST_WORKSPACE, else .]")
]
HorizonOption = Annotated[str | None, typer.Option(help="How far ahead. [default: the usual one of the kind]")]
UntilOption = Annotated[str | None, typer.Option(help="Read nothing after this. [default: all data]")]
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings of the kind, e.g. of `aftercast tune --out FILE`."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting of the kind; may be repeated."),
]
AgainFlag = Annotated[bool, typer.Option("--again", help="Do it even if it was done: its effect was lost.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def opened(folder: Path | None) -> Workspace:
    """Open the workspace a command was given."""
    from aftercast.data.workspace import open_workspace

    return open_workspace(default_workspace() if folder is None else folder)


def instant(text: str | None) -> pd.Timestamp | None:
    """UTC time that a person typed; None without one."""
    from aftercast.operations.clocks import parse_time

    return None if text is None else parse_time(text)


def iso_instant(text: str | None) -> str | None:
    """ISO 8601 text in UTC of an instant a person typed, None where nothing was."""
    moment = instant(text)
    return None if moment is None else moment.isoformat()


def say(text: str = "") -> None:
    """Print a line for people or pipes."""
    typer.echo(text)


def note(text: str) -> None:
    """Print a line about progress on stderr, so that the output stays clean."""
    typer.echo(text, err=True)


def print_json(content: Any) -> None:
    """Print JSON, whole and strict: no NaN."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def print_table(title: str, columns: list[str], rows: list[list[str]], *, right: frozenset[int] = frozenset()) -> None:
    """Print a table; columns whose index is in right are aligned there."""
    from aftercast.models.text_table import text_table

    print_parts([text_table(title, columns, rows, right=right)])


def print_parts(parts: Sequence[RenderableType]) -> None:
    """Print texts and tables."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160)
    for part in parts:
        if isinstance(part, str):
            say(part)
        else:
            console.print(part)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Raise SettingsError where the file cannot be written within the block."""
    try:
        yield
    except OSError as error:
        hint = "Choose another place with --out."
        raise SettingsError(f"{out} cannot be written: {error.strerror}.", hint) from error


def counted(count: int, one: str, several: str) -> str:
    """Number and noun, as ``1 entry`` or ``2,000 entries``."""
    return f"{count:,} {one if count == 1 else several}"


@contextmanager
def progress(what: str) -> Iterator[Callable[[str, int], None]]:
    """Show progress on stderr; the yielded function takes the step and the count so far."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status(what) as status:

        def tell(about: str, count: int) -> None:
            status.update(f"{what} {about} {count:,}")

        yield tell
