"""Risk lists as they were given out: dated, immutable, found by the hash of their content."""

from __future__ import annotations

import json
from typing import Any, Final

import pandas as pd
from sqlalchemy import Column, Engine, Integer, String, Table, Text, func, insert, select
from sqlalchemy.exc import IntegrityError

from aftercast.operations.database.engine import METADATA
from aftercast.operations.errors import NotFoundError

RISK_LISTS: Final = Table(
    "risk_lists",
    METADATA,
    Column("list_id", String, primary_key=True),
    Column("cutoff", String, nullable=False),
    Column("horizon", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("made_at", String, nullable=False),
)


def write_list(engine: Engine, list_id: str, content: dict[str, Any]) -> bool:
    """Store a list; False when the same list was there already, which leaves it as it was."""
    values = {
        "list_id": list_id,
        "cutoff": content["cutoff"],
        "horizon": content["horizon"],
        "rows": len(content["rows"]),
        "content": json.dumps(content, ensure_ascii=False, allow_nan=False),
        "made_at": pd.Timestamp.now("UTC").isoformat(),
    }
    try:
        with engine.begin() as connection:
            connection.execute(insert(RISK_LISTS).values(**values))
    except IntegrityError:
        return False
    return True


def has_room(engine: Engine, list_id: str, cutoff: str, rows: int, most_rows: int) -> bool:
    """Whether a list is there already, or all of its cutoff stay within so many rows with it; each counts one more."""
    known = select(RISK_LISTS.c.list_id).where(RISK_LISTS.c.list_id == list_id)
    total = select(func.coalesce(func.sum(RISK_LISTS.c.rows + 1), 0)).where(RISK_LISTS.c.cutoff == cutoff)
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
        text = connection.execute(
            select(RISK_LISTS.c.content).where(RISK_LISTS.c.list_id == list_id)
        ).scalar_one_or_none()
    if text is None:
        raise NotFoundError("No risk list has this id.", "`aftercast risk-list` makes one and prints its id.")
    content: dict[str, Any] = json.loads(text)
    return content


def list_lists(engine: Engine, limit: int = 20) -> list[dict[str, Any]]:
    """Newest lists first, without their rows: list_id, cutoff, horizon, rows, made_at."""
    columns = [column for column in RISK_LISTS.columns if column.name != "content"]
    statement = select(*columns).order_by(RISK_LISTS.c.made_at.desc()).limit(limit)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]
