"""The fleet spec of stored forecasts, and leases: who may write to something that has no file lock."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, String

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("forecast_sets", Column("spec", String))
    op.create_table(
        "leases",
        Column("name", String, primary_key=True),
        Column("holder", String, nullable=False),
        Column("until", DateTime(timezone=True), nullable=False),
    )
