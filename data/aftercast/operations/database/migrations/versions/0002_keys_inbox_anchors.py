"""Keys with outlets, a rate limit and a successor; the inbox; anchors of the audit log."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import BigInteger, Column, Integer, String, Text

from aftercast.operations.database.migrations.steps import add_columns, make_index, make_table

revision = "0002"
down_revision = "0001"


def upgrade(operations: Operations) -> None:
    """Keys that were made before see every outlet and have the service's rate limit, as they always did."""
    add_columns(
        operations,
        "api_keys",
        Column("outlets", Text),
        Column("rate_limit", String),
        Column("replaced_by", String),
    )
    make_table(
        operations,
        "inbox",
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
    make_index(operations, "inbox_waiting", "inbox", "drained_at", "received_at")
    make_table(
        operations,
        "audit_anchors",
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("hash", String, nullable=False),
        Column("anchored_at", String, nullable=False),
    )
