"""The inbox table: records taken over HTTP that no import has stored yet."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, String, Table, Text

from aftercast.operations.database.engine import METADATA

INBOX: Final = Table(
    "inbox",
    METADATA,
    Column("batch_id", String, primary_key=True),
    Column("table_name", String, nullable=False),
    Column("content", Text, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("received_at", String, nullable=False),
    Column("key_id", String),
    Column("request_id", String),
    Column("request_sha256", String),
    Column("wrong", Text, nullable=False),
    Column("drained_at", String),
    Column("import_id", String),
)
Index("inbox_waiting", INBOX.c.drained_at, INBOX.c.received_at)
