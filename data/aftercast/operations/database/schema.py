"""Which revision the tables of the operational database have, and taking them to the newest one.

Several processes may ask for an upgrade at once: one runs it in a transaction, the others wait and find nothing to do.
There is no way back; see the decision record on migrations.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select

from aftercast.operations.database.migrations import revision_files
from aftercast.operations.errors import WorkspaceError

VERSION_TABLE: Final = "aftercast_revision"
"""Not Alembic's usual name: MLflow and Prefect keep their revisions under that one, and may share the database."""
_REVISION: Final = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
_ADVISORY_LOCK: Final = 4_207_849_484
"""Number of the PostgreSQL lock that upgrades of one database share; "aftercast" in no encoding, just a number."""


@dataclass(frozen=True)
class SchemaState:
    """Where the tables of a database stand.

    Attributes
    ----------
    current
        Revision of the tables; None for a database without tables, or one made before there were revisions.
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


def current_revision(engine: Engine) -> str | None:
    """Revision the tables have, None where none was ever written down."""
    with engine.connect() as connection:
        return _read(connection)


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
        If they belong to a newer release, or a table is not one of aftercast; nothing was changed then.
    """
    with _alone(engine) as connection:
        before = _state(connection)
        if not before.up_to_date:
            # Loaded here because Alembic takes half a second to import, which every command would pay.
            importlib.import_module("aftercast.operations.database.migrations.running").run_missing(
                connection, VERSION_TABLE
            )
        return before


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Transaction that waits for every other upgrade of the database, and that no later one overlaps."""
    lock = f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else lock)
        yield connection


def _state(connection: Connection) -> SchemaState:
    files = revision_files()
    known, current = list(files), _read(connection)
    if current is not None and current not in files:
        raise WorkspaceError(
            f"The database is of a newer release of aftercast: its revision is {current}, this release knows up to "
            f"{known[-1]}.",
            "Install the release that upgraded it, or restore the backup that was made before.",
        )
    done = 0 if current is None else known.index(current) + 1
    return SchemaState(current, known[-1], tuple(path.stem for path in list(files.values())[done:]))


def _read(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_REVISION.c.version_num)).scalar_one_or_none()
