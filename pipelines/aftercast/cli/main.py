"""The command ``aftercast``: its commands, and the one place where errors become a message, a hint and an exit code.

Commands are found by looking into ``commands``; each has the name of its module. They load their libraries inside their
functions: MLflow, Prefect and LightGBM take seconds to import, and `aftercast --help` needs none of them.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.metadata import version

import typer
from typer.main import get_command

from aftercast.cli import commands
from aftercast.cli.common import PANELS
from aftercast.cli.outside import explained
from aftercast.operations.environment import quiet_libraries
from aftercast.operations.errors import AftercastError

USER_ERROR = 2
INTERRUPTED = 130

app = typer.Typer(
    name="aftercast",
    help="Forecast which devices will fail and which customers will leave.",
    epilog="Example: aftercast init fleet && aftercast import tables data -w fleet && aftercast train failure -w fleet",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
)
_FOUND = [
    importlib.import_module(f"{commands.__name__}.{found.name}") for found in pkgutil.iter_modules(commands.__path__)
]
for _module in sorted(_FOUND, key=lambda module: (PANELS.index(module.PANEL), module.__name__)):
    _own = _module.__name__.rpartition(".")[2]
    _command, _name = getattr(_module, _own), _own.strip("_").replace("_", "-")
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name, rich_help_panel=_module.PANEL)
    else:
        app.command(_name, rich_help_panel=_module.PANEL)(_command)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aftercast {version('aftercast')}")
        raise typer.Exit


@app.callback()
def _main(
    _version: bool = typer.Option(
        False, "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
    ),
    debug: bool = typer.Option(False, "--debug", help="Show where an error was raised."),
) -> None:
    """Forecast which devices will fail and which customers will leave."""


def run(arguments: list[str] | None = None) -> None:
    """Entry point: exits 0, 2 for what a user can mend, 130 when interrupted, 1 for a defect."""
    quiet_libraries()
    words = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in words
    try:
        get_command(app)([word for word in words if word != "--debug"], prog_name="aftercast")
    except KeyboardInterrupt:
        typer.echo("Interrupted; what was finished stays, the rest is done by running it again.", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        told = error if isinstance(error, AftercastError) else explained(error)
        if debug or told is None:
            raise
        typer.echo(f"Error: {told.message}", err=True)
        if told.hint:
            typer.echo(f"Hint: {told.hint}", err=True)
        sys.exit(USER_ERROR)


if __name__ == "__main__":
    run()
