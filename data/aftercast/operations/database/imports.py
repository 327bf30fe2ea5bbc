"""The import log: what each import read, kept and refused, and the store version it published."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from sqlalchemy import Column, Engine, Integer, String, Table, insert, select, update

from aftercast.operations.database.tables import JSON_OR_NULL, METADATA, UtcTime, utc_now

IMPORTS: Final = Table(
    "imports",
    METADATA,
    Column("import_id", String, primary_key=True),
    Column("origin", String, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("version", Integer),
    Column("report", JSON_OR_NULL),
)
"""The last three stay empty for an import that failed or was killed; ``version`` is the newest store version when it
ended, whether or not it published one."""


def record_import_start(engine: Engine, import_id: str, origin: str, started_at: pd.Timestamp) -> None:
    """Record that an import starts."""
    values = {"import_id": import_id, "origin": origin, "started_at": started_at}
    with engine.begin() as connection:
        connection.execute(insert(IMPORTS).values(**values))


def record_import_finish(engine: Engine, import_id: str, version: int, report: dict[str, Any]) -> None:
    """Record what a started import did."""
    values = {"finished_at": utc_now(), "version": version, "report": report}
    with engine.begin() as connection:
        connection.execute(update(IMPORTS).where(IMPORTS.c.import_id == import_id).values(**values))


def import_origins(engine: Engine) -> dict[str, str]:
    """Import id -> what it read, of every import that is still known."""
    with engine.connect() as connection:
        return {row.import_id: row.origin for row in connection.execute(select(IMPORTS.c.import_id, IMPORTS.c.origin))}


def import_starts(engine: Engine) -> dict[str, pd.Timestamp]:
    """Import id -> when it began (UTC), of every import that is still known."""
    statement = select(IMPORTS.c.import_id, IMPORTS.c.started_at)
    with engine.connect() as connection:
        return {row.import_id: row.started_at for row in connection.execute(statement)}
