"""Which revision the tables of the operational database have, and taking them to the newest one.

Several processes may ask for an upgrade at once: one runs it in a transaction, the others wait and find nothing to do.
There is no way back; see the decision record on migrations.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from aftercast.operations.errors import WorkspaceError

FOLDER: Final = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "aftercast_revision"
"""Not Alembic's usual name: MLflow and Prefect keep their revisions under that one, and may share the database."""
_REVISION: Final = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
_ADVISORY_LOCK: Final = 4_207_849_484
"""Number of the PostgreSQL lock that upgrades of one database share."""
_ALEMBIC: Final = Lock()
"""Alembic keeps the running migration in globals of the process, so one thread upgrades at a time."""


@dataclass(frozen=True)
class SchemaState:
    """Where the tables of a database stand.

    Attributes
    ----------
    current
        Revision of the tables; None for a database without tables.
    newest
        Revision this release needs.
    missing
        Names of the migrations that are still to run, oldest first.
    """

    current: str | None
    newest: str
    missing: tuple[str, ...]

    @property
    def up_to_date(self) -> bool:
        """Whether nothing is to be done."""
        return not self.missing


def revision_files() -> dict[str, Path]:
    """Revision -> its file, oldest first; read from the names, since importing Alembic takes half a second."""
    return {path.stem.partition("_")[0]: path for path in sorted((FOLDER / "versions").glob("[0-9]*.py"))}


def check(engine: Engine) -> SchemaState:
    """Where the tables stand; changes nothing.

    Raises
    ------
    WorkspaceError
        If they belong to a newer release, which this one would read wrongly.
    """
    with engine.connect() as connection:
        return _state(connection)


def upgrade(engine: Engine) -> SchemaState:
    """Take the tables to the newest revision in one transaction, and return where they stood before.

    Raises
    ------
    WorkspaceError
        If they belong to a newer release, or another program has a table of the same name; nothing was changed then.
    """
    with _ALEMBIC, _alone(engine) as connection:
        before = _state(connection)
        if not before.up_to_date:
            run_missing(connection)
        return before


def run_missing(connection: Connection) -> None:
    """Run the migrations a database lacks, in the transaction of the caller."""
    # Loaded here because Alembic takes half a second to import, which every command would pay.
    command, config = importlib.import_module("alembic.command"), importlib.import_module("alembic.config")
    chosen = config.Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    chosen.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    try:
        command.upgrade(chosen, "head")
    except (OperationalError, ProgrammingError) as error:
        if "already exists" not in str(error.orig):
            raise
        raise WorkspaceError(
            f"The database holds tables of another program: {str(error.orig).partition(chr(10))[0]}.",
            "Give aftercast a database of its own: database.address.",
        ) from error


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Transaction that waits for every other upgrade of the database, and that no later one overlaps."""
    lock = f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else lock)
        yield connection


def _state(connection: Connection) -> SchemaState:
    files = revision_files()
    known, current = list(files), None
    if inspect(connection).has_table(VERSION_TABLE):
        current = connection.execute(select(_REVISION.c.version_num)).scalar_one_or_none()
    if current is not None and current not in files:
        raise WorkspaceError(
            f"The database is of a newer release of aftercast: its revision is {current}, this release knows up to "
            f"{known[-1]}.",
            "Install the release that upgraded it, or restore the backup that was made before.",
        )
    done = 0 if current is None else known.index(current) + 1
    return SchemaState(current, known[-1], tuple(path.stem for path in list(files.values())[done:]))
