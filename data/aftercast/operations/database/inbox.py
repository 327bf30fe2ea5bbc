"""The inbox: batches of records that the service took and an import has yet to store.

A batch is accepted once its row is committed. It is drained after the import that stored it was published; a drain
that dies in between stores it again, and the import drops what is there already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from sqlalchemy import JSON, Column, Engine, Index, Integer, Row, String, Table, func, select, update

from aftercast.operations.database.tables import METADATA, UtcTime, insert_once, utc_now

REFUSED: Final = "refused"
"""In place of an import's id: the batch could not be read at all."""

INBOX: Final = Table(
    "inbox",
    METADATA,
    Column("batch_id", String, primary_key=True),
    Column("table_name", String, nullable=False),
    Column("content", JSON, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("key_id", String),
    Column("request_id", String),
    Column("request_sha256", String),
    Column("wrong", JSON, nullable=False),
    Column("drained_at", UtcTime),
    Column("import_id", String),
)
SAME: Final = ("batch_id", "received_at", "key_id", "request_id", "request_sha256", "drained_at", "import_id")
"""Columns that a batch has by the same name and type."""
Index("inbox_waiting", INBOX.c.drained_at, INBOX.c.received_at)


@dataclass(frozen=True)
class InboxBatch:
    """Records of one table from one call.

    Attributes
    ----------
    records
        As they came, each with ``available_at``.
    received_at
        When the service took them (UTC).
    request_sha256
        Hash of the request as sent, which tells a request sent again from another one under its id.
    wrong
        What was found wrong on arrival, as it was answered.
    drained_at, import_id
        When an import stored the batch (UTC), and which; None while it waits. :data:`REFUSED` stands for the import
        where the batch could not be read at all.
    """

    batch_id: str
    table: str
    records: tuple[Mapping[str, Any], ...]
    received_at: pd.Timestamp
    key_id: str | None = None
    request_id: str | None = None
    request_sha256: str | None = None
    wrong: tuple[Mapping[str, Any], ...] = ()
    drained_at: pd.Timestamp | None = None
    import_id: str | None = None


@dataclass(frozen=True)
class Waiting:
    """How much waits in the inbox, and since when; None where nothing does."""

    batches: int
    rows: int
    since: pd.Timestamp | None


def put_batch(engine: Engine, batch: InboxBatch) -> bool:
    """Store a batch; once this returns, it survives any crash. False if a batch with its id exists."""
    same = {name: getattr(batch, name) for name in SAME}
    content, wrong = list(batch.records), list(batch.wrong)
    with engine.begin() as connection:
        return insert_once(
            connection, INBOX, table_name=batch.table, content=content, row_count=len(content), wrong=wrong, **same
        )


def find_batch(engine: Engine, batch_id: str) -> InboxBatch | None:
    """Return a batch by its id, drained or not; None where there is none."""
    with engine.connect() as connection:
        row = connection.execute(select(INBOX).where(INBOX.c.batch_id == batch_id)).one_or_none()
    return None if row is None else _batch(row)


def waiting_batches(engine: Engine, most_rows: int) -> list[InboxBatch]:
    """Batches that wait, oldest first, up to so many rows but at least one batch."""
    statement = select(INBOX).where(INBOX.c.drained_at.is_(None)).order_by(INBOX.c.received_at, INBOX.c.batch_id)
    found: list[InboxBatch] = []
    rows = 0
    with engine.connect() as connection:
        for row in connection.execute(statement.execution_options(yield_per=50)):
            rows += row.row_count
            if found and rows > most_rows:
                break
            found.append(_batch(row))
    return found


def mark_drained(engine: Engine, batch_ids: Sequence[str], import_id: str) -> None:
    """Record that an import stored batches."""
    values = {"drained_at": utc_now(), "import_id": import_id}
    with engine.begin() as connection:
        connection.execute(update(INBOX).where(INBOX.c.batch_id.in_(list(batch_ids))).values(**values))


def count_waiting(engine: Engine) -> Waiting:
    """Count what waits."""
    statement = select(func.count(), func.coalesce(func.sum(INBOX.c.row_count), 0), func.min(INBOX.c.received_at))
    with engine.connect() as connection:
        batches, rows, since = connection.execute(statement.where(INBOX.c.drained_at.is_(None))).one()
    return Waiting(int(batches), int(rows), since)


def refused_batches(engine: Engine) -> list[tuple[str, str]]:
    """Id and table of every batch that could not be read at all, the newest first."""
    statement = select(INBOX.c.batch_id, INBOX.c.table_name).where(INBOX.c.import_id == REFUSED)
    with engine.connect() as connection:
        found = connection.execute(statement.order_by(INBOX.c.drained_at.desc(), INBOX.c.batch_id))
        return [(str(row.batch_id), str(row.table_name)) for row in found]


def _batch(row: Row[Any]) -> InboxBatch:
    same = {name: row._mapping[name] for name in SAME}
    return InboxBatch(table=row.table_name, records=tuple(row.content), wrong=tuple(row.wrong), **same)
