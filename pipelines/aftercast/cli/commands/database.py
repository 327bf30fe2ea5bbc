"""``aftercast database``: are the tables those of this release, and upgrading them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from aftercast.cli.common import JsonFlag, WorkspaceOption, note, opened, print_json, say

if TYPE_CHECKING:  # help needs neither
    from sqlalchemy import Engine

    from aftercast.data.workspace import Workspace
    from aftercast.operations.database import SchemaState

PANEL = "Serve and operate"

database = typer.Typer(help="Tables of the operational database.", no_args_is_help=True)


@database.command("status")
def status(workspace: WorkspaceOption = None, as_json: JsonFlag = False) -> None:
    """Show the revision of the tables and the migrations they lack; runs none.

    Example: aftercast database status -w fleet
    """
    from dataclasses import asdict

    from aftercast.operations.database import schema_state

    place = opened(workspace)
    engine = _engine(place)
    state = schema_state(engine)
    if as_json:
        shown = {"database": _shown(engine), "upgrade": place.settings.database.upgrade, **asdict(state)}
        print_json({**shown, "up_to_date": state.up_to_date})
        return
    say(f"{_shown(engine)} {_standing(state)}")
    for name in state.missing:
        say(f"Missing: {name}")
    if not state.up_to_date:
        say("`aftercast database upgrade` runs what is missing.")


@database.command("upgrade")
def upgrade(workspace: WorkspaceOption = None, as_json: JsonFlag = False) -> None:
    """Upgrade the tables to this release. Nothing is lost; the only way back is a backup.

    Example: aftercast database upgrade -w fleet
    """
    from aftercast.operations.database import upgrade_schema

    engine = _engine(opened(workspace))
    before = upgrade_schema(engine)
    if as_json:
        print_json({"database": _shown(engine), "from": before.current, "to": before.newest, "ran": before.missing})
        return
    for name in before.missing:
        note(f"Ran {name}.")
    done = "was up to date already" if before.up_to_date else "is up to date now"
    say(f"{_shown(engine)} {done}, at revision {before.newest}.")


def _engine(place: Workspace) -> Engine:
    """Engine that never upgrades on opening."""
    from aftercast.operations.database import connect

    return connect(place.settings.database.address, place.folder)


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _standing(state: SchemaState) -> str:
    if state.up_to_date:
        return f"is up to date, at revision {state.newest}."
    was = "has no revision yet" if state.current is None else f"is at revision {state.current}"
    return f"{was}; this release needs {state.newest}."
