"""A workspace: the one folder that holds everything of a deployment, and the addresses of what lives elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import tomlkit
from sqlalchemy import Engine

from aftercast.data.fleet import FleetSpec, load_fleet
from aftercast.data.store import Store
from aftercast.operations.audit import AuditLog
from aftercast.operations.database import local_address, open_database
from aftercast.operations.errors import WorkspaceError
from aftercast.operations.settings import Settings, load_settings, settings_document

SETTINGS_FILE: Final = "aftercast.toml"
FLEET_FILE: Final = "fleet.toml"
ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True)
class Workspace:
    """An opened workspace; its parts are opened on first use.

    Attributes
    ----------
    folder
        Absolute path of the workspace folder.
    settings, fleet
        What ``aftercast.toml`` and ``fleet.toml`` say.
    """

    folder: Path
    settings: Settings
    fleet: FleetSpec

    @cached_property
    def database(self) -> Engine:
        """The operational database."""
        chosen = self.settings.database
        return open_database(chosen.address, self.folder, upgrade=chosen.upgrade)

    @cached_property
    def store(self) -> Store:
        """The store of history."""
        return Store(self.store_address, self.database, self.settings.store.device_buckets)

    @property
    def store_address(self) -> str:
        """Folder of the history's tables, absolute where it is one of the workspace.

        Raises
        ------
        WorkspaceError
            If its path holds what the library that keeps the tables would read as another path.
        """
        address = self._place(self.settings.store.address)
        _refuse_escapes(address)
        return address

    @cached_property
    def audit(self) -> AuditLog:
        """The log of what was answered and changed."""
        return AuditLog(self.path("audit"), segment_bytes=self.settings.audit.segment_bytes)

    @property
    def mlflow_address(self) -> str:
        """Tracking address, absolute where it is a file of the workspace."""
        address = self.settings.mlflow.address
        if not address.startswith("sqlite"):
            return address
        # Under the longer name MLflow makes no folder of the percent-encoded path beside the workspace.
        return local_address(address, self.folder).replace("sqlite:///", "sqlite+pysqlite:///", 1)

    @property
    def mlflow_artifacts(self) -> str:
        """Artifact root for new experiments."""
        return self._place(self.settings.mlflow.artifacts)

    def path(self, *parts: str) -> Path:
        """Path inside the workspace."""
        return self.folder.joinpath(*parts)

    def _place(self, address: str) -> str:
        return address if "://" in address else str((self.folder / address).resolve())


def open_workspace(folder: Path) -> Workspace:
    """Open an existing workspace.

    Raises
    ------
    WorkspaceError
        If the folder is not a workspace.
    SettingsError
        If its settings or fleet spec are wrong.
    """
    if not (folder / SETTINGS_FILE).is_file():
        raise WorkspaceError(
            f"{folder} is not a workspace: it has no {SETTINGS_FILE}.",
            "Run `aftercast init DIR`, or name the workspace with --workspace DIR.",
        )
    return Workspace(folder.resolve(), load_settings(folder / SETTINGS_FILE), load_fleet(folder / FLEET_FILE))


def create_workspace(folder: Path, fleet: FleetSpec) -> Workspace:
    """Make a workspace with default settings and a fleet spec; never overwrites one.

    Raises
    ------
    WorkspaceError
        If the folder already is a workspace, cannot be made, or has a name that cannot be used.
    """
    if (folder / SETTINGS_FILE).exists():
        raise WorkspaceError(f"{folder} is already a workspace.", "Edit its files, or choose another folder.")
    _refuse_escapes(str(folder.resolve()))
    folder.mkdir(parents=True, exist_ok=True)
    write_fleet(folder / FLEET_FILE, fleet)
    _replace(folder / SETTINGS_FILE, tomlkit.dumps(settings_document()))
    return open_workspace(folder)


def _refuse_escapes(address: str) -> None:
    """Refuse a path with ``%25`` and the like: delta-rs decodes it once too often and reads a neighbour's log."""
    found = ESCAPE.search(address)
    if found is not None and "://" not in address:
        raise WorkspaceError(
            f"{address} cannot hold the history: '{found.group()}' in a path is read as another character.",
            "Rename the folder, or set store.address to a folder without a % before two digits.",
        )


def write_fleet(path: Path, fleet: FleetSpec) -> None:
    """Write a fleet spec as TOML."""
    document = tomlkit.document()
    document.add(tomlkit.comment("What this fleet is: sensors with unit and possible range, components, costs."))
    document.update(_content(fleet))
    _replace(path, tomlkit.dumps(document))


def fill_fleet(path: Path, before: FleetSpec, after: FleetSpec) -> tuple[str, ...]:
    """Write what ``after`` has beyond ``before`` into a fleet spec; returns the names of what was written.

    What people changed in the file meanwhile stays as it is, and so does what they wrote around it.
    """
    current = load_fleet(path)
    new = [
        name
        for name in FleetSpec.model_fields
        if getattr(before, name) == getattr(current, name) != getattr(after, name)
    ]
    if not new:
        return ()
    content = _content(after)
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    for name in new:
        document.pop(name, None)
        if name in content:
            document.add(name, tomlkit.item(content[name]))
    _replace(path, tomlkit.dumps(document))
    return tuple(new)


def _content(fleet: FleetSpec) -> dict[str, Any]:
    """Fleet spec as written: all keys, but of files and tables those that say something."""
    content = fleet.model_dump(exclude_none=True)
    said = fleet.model_dump(exclude_defaults=True, include={"files", "tables"})
    return {
        name: said.get(name) if name in {"files", "tables"} else value
        for name, value in content.items()
        if name not in {"files", "tables"} or said.get(name)
    }


def _replace(path: Path, text: str) -> None:
    temporary = path.with_suffix(".toml.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
