"""The operational database: one SQLAlchemy engine, SQLite by default and PostgreSQL by address.

Each module beside this one declares a table; migrations make the tables, and :func:`open_database` runs those that are
missing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from aftercast.operations.database import schema
from aftercast.operations.errors import SettingsError, WorkspaceError

BUSY_TIMEOUT_MS: Final = 30_000
"""How long SQLite waits for another program that writes."""
PAUSES_S: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
TO_JSON: Final = partial(json.dumps, allow_nan=False)
"""ASCII, so that a letter the encoding of a database lacks, or half of one, is kept as its number."""
SERVER: Final[dict[str, Any]] = {"pool_pre_ping": True, "pool_timeout": 5, "connect_args": {"connect_timeout": 5}}
"""A database on the network is asked whether it is still there before a connection is used again, and none waits long.

Everywhere errors hide the values of a statement: those are the users' data, and errors are logged.
"""
ResultT = TypeVar("ResultT")


def open_database(address: str, folder: Path, *, upgrade: Literal["automatic", "manual"] = "automatic") -> Engine:
    """Engine of an address whose tables are those of this release; a relative SQLite file lies in folder.

    Parameters
    ----------
    upgrade
        ``automatic`` makes and changes tables where they are behind; ``manual`` refuses such a database.

    Raises
    ------
    WorkspaceError
        If the database cannot be reached, belongs to a newer release, or is behind and upgrades are manual.
    """
    engine = connect(address, folder)
    try:
        if not schema_state(engine).up_to_date:
            if upgrade == "manual":
                raise WorkspaceError(
                    "The tables of the database are behind this release of aftercast, and database.upgrade is manual.",
                    "Run `aftercast database upgrade`, after a backup.",
                )
            upgrade_schema(engine)
    except WorkspaceError:
        engine.dispose()
        raise
    return engine


def connect(address: str, folder: Path) -> Engine:
    """Engine of an address; nothing is asked of the database yet.

    Raises
    ------
    SettingsError
        If the address is not understood, or its driver is not installed.
    """
    try:
        place = local_address(address, folder)
        more = {} if place.startswith("sqlite") else SERVER
        engine = create_engine(place, hide_parameters=True, json_serializer=TO_JSON, **more)
    except (ArgumentError, ImportError) as error:
        raise SettingsError(
            "database.address is not understood, or its driver is not installed.",
            "Write sqlite:///FILE, or postgresql+psycopg://USER@HOST/NAME, which needs aftercast[postgres].",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def schema_state(engine: Engine) -> schema.SchemaState:
    """Where the tables stand; raises WorkspaceError where they cannot be asked or belong to a newer release."""
    return _answered(engine, schema.check)


def upgrade_schema(engine: Engine) -> schema.SchemaState:
    """Take the tables to those of this release, and return where they stood; raises WorkspaceError where that fails."""
    return _answered(engine, schema.upgrade)


def _answered(engine: Engine, question: Callable[[Engine], ResultT]) -> ResultT:
    """Answer of the database; its refusals become errors for people."""
    shown = engine.url.render_as_string(hide_password=True)
    try:
        return _patiently(engine, question)
    except OperationalError as error:
        raise WorkspaceError(
            f"The database {shown} cannot be reached: {error.orig}.", "Check database.address."
        ) from error
    except DatabaseError as error:
        reason = str(error.orig).partition("\n")[0]
        raise WorkspaceError(
            f"The database {shown} cannot be used: {reason}.",
            "It must be one of aftercast, and its user may make and alter tables.",
        ) from error


def _patiently(engine: Engine, question: Callable[[Engine], ResultT]) -> ResultT:
    """Ask again while another process opens, closes or upgrades the database.

    SQLite does not wait for its busy timeout while another connection recovers or removes the write-ahead log.
    """
    for pause_s in PAUSES_S:
        try:
            return question(engine)
        except OperationalError as error:
            if "locked" not in str(error.orig):
                raise
            time.sleep(pause_s)
    return question(engine)


def local_address(address: str, folder: Path) -> str:
    """Address with a relative SQLite file placed in folder."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_absolute():
        url = url.set(database=str((folder / url.database).resolve()))
    return url.render_as_string(hide_password=False)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Let readers read while one writer writes, and make a commit survive power loss."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
