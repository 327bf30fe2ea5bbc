"""The workspace under examination: its parts, each had once, read without changing anything.

Opening a workspace in the usual way would upgrade its database and make its folders; here a part that is not in order
is missing, which another check tells.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pandas as pd
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from aftercast.cli.doctor.findings import MissingPartError
from aftercast.cli.doctor.reach import PATIENCE_S, require_tracking
from aftercast.data.fleet import FleetSpec, load_fleet
from aftercast.data.store import Store, unpublished_tables
from aftercast.data.workspace import FLEET_FILE, SETTINGS_FILE, Workspace
from aftercast.models.registry.health import find_champion
from aftercast.models.registry.versions import Loaded
from aftercast.operations.database import connect, local_address, schema_state
from aftercast.operations.errors import NotFoundError, SettingsError, WorkspaceError
from aftercast.operations.settings import Settings, load_settings

PartT = TypeVar("PartT")


class Deployment:
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
        self._engines: list[Engine] = []

    @property
    def settings(self) -> Settings:
        """What ``aftercast.toml`` and the environment say."""
        return self._part("settings", lambda: _read(load_settings, self.folder / SETTINGS_FILE))

    @property
    def fleet(self) -> FleetSpec:
        """What ``fleet.toml`` says."""
        return self._part("fleet", lambda: _read(load_fleet, self.folder / FLEET_FILE))

    @property
    def database(self) -> Engine:
        """The operational database, its tables those of this release."""
        return self._part("database", self._open_database)

    @property
    def store(self) -> Store:
        """The store, which holds something."""
        return self._part("store", self._open_store)

    def reach_registry(self) -> Workspace:
        """Workspace whose registry answers; for the functions of the registry only."""
        return self._part("mlflow", self._reach_registry)

    def champion(self, kind: str) -> Loaded | None:
        """Champion of a kind, None where there is none."""
        place = self.reach_registry()
        return self._part("champion", lambda: find_champion(place, kind), key=f"champion of {kind}")

    def close(self) -> None:
        """Close the connections."""
        for engine in self._engines:
            engine.dispose()

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
            raise NotFoundError("There is no database yet.", "Run `aftercast import SOURCE PATH`, which makes it.")
        engine = _impatient(connect(address, self.folder))
        self._engines.append(engine)
        return engine

    def _open_database(self) -> Engine:
        engine = self.connect()
        if not schema_state(engine).up_to_date:
            raise WorkspaceError("The database is behind this release.", "Run `aftercast database upgrade`.")
        return engine

    def _open_store(self) -> Store:
        place = Workspace(self.folder, self.settings, self._any_fleet())
        store = Store(place.store_address, self.database, self.settings.store.device_buckets)
        if store.version() == 0:
            raise _nothing_published(store)
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
            self._parts[key] = MissingPartError(name)  # for the checks after one that hangs here
            try:
                self._parts[key] = make()
            except MissingPartError as error:
                self._parts[key] = error
            except Exception as error:  # noqa: BLE001  # store or driver may fail in any way; the named check tells how
                self._parts[key] = MissingPartError(name, error)
        found = self._parts[key]
        if isinstance(found, MissingPartError):
            raise found
        return cast("PartT", found)


def _nothing_published(store: Store) -> NotFoundError:
    """Why a store has no version: nothing was imported, or what was is known to another database."""
    tables = unpublished_tables(store)
    if not tables:
        return NotFoundError("The store is empty.", "Run `aftercast import SOURCE PATH`.")
    return NotFoundError(
        f"Tables are there ({', '.join(tables)}), but this database published none: was database.address changed?",
        "If so, put it back, or begin a new workspace (docs/deployment.md). If the first import was cut off, run it "
        "again.",
    )


def _read(load: Callable[[Path], PartT], path: Path) -> PartT:
    if not path.is_file():
        raise NotFoundError(f"There is no {path.name}.", "`aftercast init DIR` makes a workspace.")
    try:
        return load(path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path.name} cannot be read ({type(error).__name__}).", "Save it as UTF-8, readable for this user."
        ) from error


def _impatient(engine: Engine) -> Engine:
    """Engine whose server has to answer each question within seconds, also where a table is locked."""
    if engine.dialect.name == "postgresql":

        @event.listens_for(engine, "begin")
        def limit(connection: Connection) -> None:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{PATIENCE_S}s'")

    return engine


def sqlite_file(address: str, folder: Path) -> Path | None:
    """File of a database; None where it is none, or no address."""
    try:
        url = make_url(local_address(address, folder))
    except ArgumentError:
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
