"""Risk lists as they were given out: dated, never changed, found by the hash of their content."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import JSON, Column, Engine, Integer, String, Table, func, select

from aftercast.operations.clocks import parse_time
from aftercast.operations.database.tables import METADATA, UtcTime, insert_once, utc_now
from aftercast.operations.errors import NotFoundError

RISK_LISTS: Final = Table(
    "risk_lists",
    METADATA,
    Column("list_id", String, primary_key=True),
    Column("cutoff", UtcTime, nullable=False),
    Column("horizon", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("content", JSON, nullable=False),
    Column("made_at", UtcTime, nullable=False),
)


def write_list(engine: Engine, list_id: str, content: dict[str, Any]) -> bool:
    """Store a list; False if the same list exists already, which stays as it is."""
    values = {
        "list_id": list_id,
        "cutoff": parse_time(content["cutoff"]),
        "horizon": content["horizon"],
        "rows": len(content["rows"]),
        "content": content,
        "made_at": utc_now(),
    }
    with engine.begin() as connection:
        return insert_once(connection, RISK_LISTS, **values)


def has_room(engine: Engine, list_id: str, cutoff: str, rows: int, most_rows: int) -> bool:
    """Whether a list exists, or its cutoff has room for it: a list takes its rows and one more of ``most_rows``."""
    known = select(RISK_LISTS.c.list_id).where(RISK_LISTS.c.list_id == list_id)
    total = select(func.coalesce(func.sum(RISK_LISTS.c.rows + 1), 0)).where(RISK_LISTS.c.cutoff == parse_time(cutoff))
    with engine.connect() as connection:
        if connection.execute(known).one_or_none() is not None:
            return True
        return int(connection.execute(total).scalar_one()) + rows + 1 <= most_rows


def read_list(engine: Engine, list_id: str) -> dict[str, Any]:
    """Content of a list.

    Raises
    ------
    NotFoundError
        If no list has this id.
    """
    with engine.connect() as connection:
        statement = select(RISK_LISTS.c.content).where(RISK_LISTS.c.list_id == list_id)
        content: dict[str, Any] | None = connection.execute(statement).scalar_one_or_none()
    if content is None:
        raise NotFoundError("No risk list has this id.", "`aftercast risk-list` makes one and prints its id.")
    return content


def list_lists(engine: Engine, limit: int = 20) -> list[dict[str, Any]]:
    """Newest lists first, without their rows: list_id, cutoff, horizon, rows, made_at."""
    columns = [column for column in RISK_LISTS.columns if column.name != "content"]
    statement = select(*columns).order_by(RISK_LISTS.c.made_at.desc()).limit(limit)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]
