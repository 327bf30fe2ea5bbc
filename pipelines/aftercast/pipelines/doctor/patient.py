"""The workspace under examination: its parts, each had once, read without changing anything.

Opening a workspace in the usual way would upgrade its database and make its folders; here a part that is not in order
is missing, which another check tells.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import pandas as pd
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from aftercast.data.errors import AftercastError, NotFoundError, WorkspaceError
from aftercast.data.fleet import FleetSpec, load_fleet
from aftercast.data.records.database import connect, local_address, schema_state
from aftercast.data.records.scores import Kind
from aftercast.data.settings import Settings, load_settings
from aftercast.data.store import Store
from aftercast.data.workspace import FLEET_FILE, SETTINGS_FILE, Workspace
from aftercast.models.registry import Loaded, champion_version, load_champion
from aftercast.pipelines.doctor.findings import MissingPartError
from aftercast.pipelines.doctor.reach import PATIENCE_S, require_tracking

KINDS: Final[tuple[Kind, ...]] = ("failure", "churn")
PartT = TypeVar("PartT")


class Patient:
    """A workspace folder and, where they are in order, its parts.

    Parameters
    ----------
    now
        Instant of the examination (UTC), the clock's by default.
    """

    def __init__(self, folder: Path, now: pd.Timestamp | None = None) -> None:
        self.folder = folder.resolve()
        self.now = pd.Timestamp.now("UTC") if now is None else now
        self._parts: dict[str, Any] = {}

    @property
    def settings(self) -> Settings:
        """What ``aftercast.toml`` and the environment say."""
        return self._part("settings", self.read_settings)

    @property
    def fleet(self) -> FleetSpec:
        """What ``fleet.toml`` says."""
        return self._part("fleet", self.read_fleet)

    @property
    def database(self) -> Engine:
        """The operational database, its tables those of this release."""
        return self._part("database", self._open_database)

    @property
    def store(self) -> Store:
        """The store, which holds something."""
        return self._part("store", self._open_store)

    @property
    def registry(self) -> Workspace:
        """Workspace whose registry answers; for the functions of the registry only."""
        return self._part("mlflow", self._reach_registry)

    def champion(self, kind: Kind) -> Loaded | None:
        """Champion of a kind, None where there is none; raises what loading it raised."""
        if champion_version(self.registry, kind) is None:
            return None
        return self._part("champion", lambda: load_champion(self.registry, kind), key=f"champion of {kind}")

    def read_settings(self) -> Settings:
        """Read ``aftercast.toml``; raises SettingsError for whatever is wrong with it."""
        return _read(load_settings, self.folder / SETTINGS_FILE)

    def read_fleet(self) -> FleetSpec:
        """Read ``fleet.toml``; raises SettingsError for whatever is wrong with it."""
        return _read(load_fleet, self.folder / FLEET_FILE)

    def connect(self) -> Engine:
        """Engine of the operational database as it is, that soon gives up.

        Raises
        ------
        NotFoundError
            If it is a file that is not there; connecting would make it.
        SettingsError
            If its address is not understood.
        """
        address = self.settings.database.address
        file = sqlite_file(address, self.folder)
        if file is not None and not file.exists():
            raise NotFoundError(
                "There is no database yet.", "Import something: the first command that needs it makes it."
            )
        return connect(_impatient(address), self.folder)

    def _open_database(self) -> Engine:
        engine = self.connect()
        if not schema_state(engine).up_to_date:
            raise WorkspaceError("The database is behind this release.", "Run `aftercast database upgrade`.")
        return engine

    def _open_store(self) -> Store:
        place = Workspace(self.folder, self.settings, self._any_fleet())
        store = Store(place.store_address, self.database, self.settings.store.device_buckets)
        if store.version() == 0:
            raise NotFoundError("The store is empty.", "Run `aftercast import SOURCE PATH`.")
        return store

    def _reach_registry(self) -> Workspace:
        place = Workspace(self.folder, self.settings, self._any_fleet())
        require_tracking(place)
        return place

    def _any_fleet(self) -> FleetSpec:
        """Fleet spec, or an empty one: neither the store nor the registry reads it."""
        try:
            return self.fleet
        except MissingPartError:
            return FleetSpec(name="unread")

    def _part(self, name: str, make: Callable[[], PartT], *, key: str | None = None) -> PartT:
        """Part as it was made the first time; MissingPartError names the check that tells why there is none."""
        key = name if key is None else key
        if key not in self._parts:
            self._parts[key] = _made(name, make)
        found = self._parts[key]
        if isinstance(found, AftercastError):
            raise found
        return cast("PartT", found)


def _read(load: Callable[[Path], PartT], path: Path) -> PartT:
    if not path.is_file():
        raise NotFoundError(f"There is no {path.name}.", "`aftercast init DIR` makes a workspace.")
    return load(path)


def _made(part: str, make: Callable[[], PartT]) -> PartT | AftercastError:
    """Part, or the error that names the check which tells why there is none."""
    try:
        return make()
    except MissingPartError as error:
        return error
    except Exception:  # noqa: BLE001  # a registry or driver may fail in any way; the named check tells how it did
        return MissingPartError(part)


def _impatient(address: str) -> str:
    """Address of a server that has to answer within seconds."""
    try:
        url = make_url(address)
    except ArgumentError:
        return address
    if not url.get_backend_name().startswith("postgresql"):
        return address
    return url.update_query_dict({"connect_timeout": str(PATIENCE_S)}).render_as_string(hide_password=False)


def sqlite_file(address: str, folder: Path) -> Path | None:
    """File of a database; None where it is none, or no address."""
    try:
        url = make_url(local_address(address, folder))
    except ArgumentError:
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
