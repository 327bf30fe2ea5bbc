"""The import log: what each import read, kept and refused, and the store version it published."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from sqlalchemy import Column, Engine, Integer, Row, String, Table, Text, insert, select, update

from aftercast.operations.clocks import parse_time
from aftercast.operations.database.engine import METADATA

IMPORTS: Final = Table(
    "imports",
    METADATA,
    Column("import_id", String, primary_key=True),
    Column("origin", String, nullable=False),
    Column("started_at", String, nullable=False),
    Column("finished_at", String),
    Column("version", Integer),
    Column("report", Text),
)


@dataclass(frozen=True)
class Import:
    """One import.

    Attributes
    ----------
    finished_at, version, report
        None for an import that failed, was killed or is still running; ``version`` is the newest store version
        when it ended, whether or not it published one.
    """

    import_id: str
    origin: str
    started_at: pd.Timestamp
    finished_at: pd.Timestamp | None
    version: int | None
    report: dict[str, Any] | None


def record_import_start(engine: Engine, import_id: str, origin: str, started_at: pd.Timestamp) -> None:
    """Record that an import starts."""
    values = {"import_id": import_id, "origin": origin, "started_at": started_at.isoformat()}
    with engine.begin() as connection:
        connection.execute(insert(IMPORTS).values(**values))


def record_import_finish(engine: Engine, import_id: str, version: int, report: dict[str, Any]) -> None:
    """Record what a started import did."""
    text = json.dumps(report, ensure_ascii=False, allow_nan=False)
    values = {"finished_at": pd.Timestamp.now("UTC").isoformat(), "version": version, "report": text}
    with engine.begin() as connection:
        connection.execute(update(IMPORTS).where(IMPORTS.c.import_id == import_id).values(**values))


def list_imports(engine: Engine, limit: int = 20) -> list[Import]:
    """Newest imports first."""
    statement = select(IMPORTS).order_by(IMPORTS.c.started_at.desc(), IMPORTS.c.import_id).limit(limit)
    with engine.connect() as connection:
        return [_import(row) for row in connection.execute(statement)]


def _import(row: Row[tuple[object, ...]]) -> Import:
    return Import(
        import_id=row.import_id,
        origin=row.origin,
        started_at=parse_time(row.started_at),
        finished_at=None if row.finished_at is None else parse_time(row.finished_at),
        version=row.version,
        report=None if row.report is None else json.loads(row.report),
    )
