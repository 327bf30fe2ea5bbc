"""``aftercast init``: make a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aftercast.cli.common import say

PANEL = "Set up"


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new workspace.")],
    source: Annotated[Path | None, typer.Option("--source", help="Data to draft the fleet spec from.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Source of the data. [default: found by trying]")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the fleet. [default: the folder's]")] = None,
) -> None:
    """Make a workspace: a folder with settings, a fleet spec, and room for data and models.

    Example: aftercast init fleet --source data/azure_pdm --kind azure-pdm
    """
    from aftercast.data.fleet import FleetSpec
    from aftercast.data.workspace import create_workspace
    from aftercast.operations.errors import SettingsError
    from aftercast.pipelines.drafts import draft_from

    found = "SOURCE"
    title = name or folder.resolve().name
    if source is None:
        if kind is not None:
            raise SettingsError("--kind says what --source is, and there is none.", "Add --source PATH.")
        create_workspace(folder, FleetSpec(name=title))
        say(f"Workspace {folder} is ready. Its fleet spec is drafted from the data at the first import.")
    else:
        found, fleet = draft_from(source, kind)
        create_workspace(folder, fleet.model_copy(update={"name": title}))
        say(f"Workspace {folder} is ready. {folder / 'fleet.toml'} was drafted from {source} ({found}); look it over.")
    say(f"Next: aftercast import {found} {source or 'PATH'} --workspace {folder}")
