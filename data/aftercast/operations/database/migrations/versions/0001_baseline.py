"""Every table of the first release."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Column, DateTime, ForeignKey, Integer, String

revision = "0001"
down_revision = None

UTC_TIME = DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    _make_history()
    _make_forecasts()
    _make_access()
    _make_audit()


def _make_history() -> None:
    op.create_table(
        "store_versions",
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("published_at", UTC_TIME, nullable=False),
        Column("import_id", String, nullable=False),
        Column("tables", JSON, nullable=False),
        Column("observed_until", UTC_TIME),
        Column("device_buckets", Integer, nullable=False),
    )
    op.create_table(
        "imports",
        Column("import_id", String, primary_key=True),
        Column("origin", String, nullable=False),
        Column("started_at", UTC_TIME, nullable=False),
        Column("finished_at", UTC_TIME),
        Column("version", Integer),
        Column("report", JSON),
    )
    op.create_table(
        "flow_runs",
        Column("flow", String, primary_key=True),
        Column("key", String, primary_key=True),
        Column("state", String, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("started_at", UTC_TIME, nullable=False),
        Column("finished_at", UTC_TIME),
        Column("result", JSON),
    )


def _make_forecasts() -> None:
    op.create_table(
        "forecast_sets",
        Column("set_id", String, primary_key=True),
        Column("kind", String, nullable=False),
        Column("cutoff", UTC_TIME, nullable=False),
        Column("model_version", String, nullable=False),
        Column("data_version", Integer, nullable=False),
        Column("horizons", JSON, nullable=False),
        Column("components", JSON, nullable=False),
        Column("size", Integer, nullable=False),
        Column("scored_at", UTC_TIME, nullable=False),
    )
    op.create_index("forecast_sets_newest", "forecast_sets", ["kind", "cutoff", "scored_at"])
    op.create_table(
        "forecasts",
        Column("set_id", String, ForeignKey("forecast_sets.set_id"), primary_key=True),
        Column("entity_id", String, primary_key=True),
        Column("ranks", JSON, nullable=False),
        Column("content", JSON, nullable=False),
    )
    op.create_table(
        "risk_lists",
        Column("list_id", String, primary_key=True),
        Column("cutoff", UTC_TIME, nullable=False),
        Column("horizon", String, nullable=False),
        Column("rows", Integer, nullable=False),
        Column("content", JSON, nullable=False),
        Column("made_at", UTC_TIME, nullable=False),
    )


def _make_access() -> None:
    op.create_table(
        "api_keys",
        Column("key_id", String, primary_key=True),
        Column("name", String, nullable=False),
        Column("scopes", JSON, nullable=False),
        Column("secret_sha256", String, nullable=False),
        Column("created_at", UTC_TIME, nullable=False),
        Column("expires_at", UTC_TIME),
        Column("revoked_at", UTC_TIME),
        Column("outlets", JSON),
        Column("rate_limit", String),
        Column("replaced_by", String),
    )
    op.create_table(
        "inbox",
        Column("batch_id", String, primary_key=True),
        Column("table_name", String, nullable=False),
        Column("content", JSON, nullable=False),
        Column("row_count", Integer, nullable=False),
        Column("received_at", UTC_TIME, nullable=False),
        Column("key_id", String),
        Column("request_id", String),
        Column("request_sha256", String),
        Column("wrong", JSON, nullable=False),
        Column("drained_at", UTC_TIME),
        Column("import_id", String),
    )
    op.create_index("inbox_waiting", "inbox", ["drained_at", "received_at"])


def _make_audit() -> None:
    op.create_table(
        "audit_anchors",
        Column("chain", String, primary_key=True),
        Column("seq", BigInteger, primary_key=True, autoincrement=False),
        Column("hash", String, nullable=False),
        Column("anchored_at", UTC_TIME, nullable=False),
    )
    op.create_table(
        "audit_chains",
        Column("chain", String, primary_key=True),
        Column("place", String, nullable=False),
        Column("begun_at", UTC_TIME, nullable=False),
    )
