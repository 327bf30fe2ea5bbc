"""Anchors by chain, so that several audit logs share a database; where each chain was anchored first.

Anchors that are there, and those a process of the release before still writes, belong to the chain without an id: the
empty text.
"""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, String, text

from aftercast.operations.database.migrations.steps import add_to_key, make_table

revision = "0003"
down_revision = "0002"


def upgrade(operations: Operations) -> None:
    """Keep every anchor."""
    chain = Column("chain", String, nullable=False, server_default=text("''"))
    add_to_key(operations, "audit_anchors", chain, ahead_of="seq")
    make_table(
        operations,
        "audit_chains",
        Column("chain", String, primary_key=True),
        Column("place", String, nullable=False),
        Column("begun_at", String, nullable=False),
    )
