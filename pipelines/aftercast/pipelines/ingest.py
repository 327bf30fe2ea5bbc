"""Ingest: read a source, check it against the contract, publish one new version of the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aftercast.data.errors import InputError
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import ingest
from aftercast.data.sources.registry import get_source
from aftercast.data.workspace import FLEET_FILE, Workspace, open_workspace, write_fleet
from aftercast.models.metadata import spec_hash
from aftercast.pipelines.runs import Done, hash_of_files, run_key, run_once

Progress = Callable[[str, int], None]


def run_ingest(workspace: Workspace, source_name: str, path: Path, progress: Progress | None = None) -> Done:
    """Import a source; the same files under the same fleet spec are imported once.

    Raises
    ------
    InputError
        If the path does not exist or cannot be read as the source.
    """
    source = get_source(source_name)
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Name the file or folder to import.")
    key = run_key(source=source.name, files=hash_of_files(path), spec=spec_hash(workspace.fleet))
    origin = f"{source.name}:{path.name}"

    def work() -> dict[str, Any]:
        batches = source.read(path, workspace.fleet)
        report = ingest(workspace.store, batches, workspace.fleet, origin=origin, progress=progress)
        return {"key": key, "source": source.name, "origin": origin, **report.to_dict()}

    return run_once(workspace, "ingest", key, work)


def needs_draft(workspace: Workspace) -> bool:
    """Whether nothing was imported yet and the fleet spec names neither sensors nor components."""
    fleet = workspace.fleet
    return workspace.store.version() == 0 and not fleet.sensors and not fleet.components


def draft_fleet(workspace: Workspace, source_name: str, path: Path) -> Workspace:
    """Write the fleet spec a source drafts from the data, and open the workspace again with it.

    The name, and what the user changed from the defaults, stay as they are.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Name the file or folder to import.")
    draft = get_source(source_name).draft(path)
    chosen = workspace.fleet.model_dump(exclude_unset=True)
    default = FleetSpec(name="").model_dump()
    kept = {name: value for name, value in chosen.items() if value != default[name]}
    fleet = FleetSpec.model_validate({**draft.model_dump(exclude_none=True), **kept})
    write_fleet(workspace.path(FLEET_FILE), fleet)
    return open_workspace(workspace.folder)
