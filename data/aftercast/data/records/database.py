"""The operational database: one SQLAlchemy engine, SQLite by default and PostgreSQL by address.

Each sibling module declares its own tables on :data:`METADATA`; :func:`open_database` creates what is missing.
Times are stored as ISO 8601 text in UTC so that both engines return the same.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, MetaData, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from aftercast.data import records
from aftercast.data.errors import WorkspaceError

METADATA = MetaData()
PAUSES_S: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
PASSING: Final = ("locked", "already exists", "duplicate key")


def open_database(address: str, folder: Path) -> Engine:
    """Engine of an address; a relative SQLite file lies in folder. Creates the tables that are missing.

    Raises
    ------
    WorkspaceError
        If the database cannot be reached.
    """
    for module in pkgutil.iter_modules(records.__path__):
        importlib.import_module(f"{records.__name__}.{module.name}")
    engine = create_engine(local_address(address, folder))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    try:
        _create_missing(engine)
    except OperationalError as error:
        shown = engine.url.render_as_string(hide_password=True)
        raise WorkspaceError(
            f"The database {shown} cannot be reached: {error.orig}.", "Check database.address."
        ) from error
    return engine


def _create_missing(engine: Engine) -> None:
    """Create the tables that are missing; try again where another process opens, closes or creates them just then.

    SQLite does not wait for its busy timeout while another connection recovers or removes the write-ahead log.
    """
    for pause_s in PAUSES_S:
        try:
            METADATA.create_all(engine)
        except (OperationalError, ProgrammingError, IntegrityError) as error:
            if not any(words in str(error.orig) for words in PASSING):
                raise
            time.sleep(pause_s)
        else:
            return
    METADATA.create_all(engine)


def local_address(address: str, folder: Path) -> str:
    """Address with a relative SQLite file placed in folder."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_absolute():
        url = url.set(database=str((folder / url.database).resolve()))
    return url.render_as_string(hide_password=False)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Let readers read while one writer writes, and make a commit survive power loss."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
