"""The tables as they were before there were revisions: history, imports, runs, scores, lists, keys."""

from __future__ import annotations

from alembic.operations import Operations
from sqlalchemy import Column, ForeignKey, Integer, String, Text

from aftercast.operations.database.migrations.steps import make_index, make_table

revision = "0001"
down_revision = None


def upgrade(operations: Operations) -> None:
    """Make what is missing."""
    _history(operations)
    _scores(operations)
    make_table(
        operations,
        "risk_lists",
        Column("list_id", String, primary_key=True),
        Column("cutoff", String, nullable=False),
        Column("horizon", String, nullable=False),
        Column("rows", Integer, nullable=False),
        Column("content", Text, nullable=False),
        Column("made_at", String, nullable=False),
    )
    make_table(
        operations,
        "api_keys",
        Column("key_id", String, primary_key=True),
        Column("name", String, nullable=False),
        Column("scopes", String, nullable=False),
        Column("secret_sha256", String, nullable=False),
        Column("created_at", String, nullable=False),
        Column("expires_at", String),
        Column("revoked_at", String),
    )


def _history(operations: Operations) -> None:
    make_table(
        operations,
        "store_versions",
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("published_at", String, nullable=False),
        Column("import_id", String, nullable=False),
        Column("tables", Text, nullable=False),
        Column("observed_until", String),
        Column("device_buckets", Integer, nullable=False),
    )
    make_table(
        operations,
        "imports",
        Column("import_id", String, primary_key=True),
        Column("origin", String, nullable=False),
        Column("started_at", String, nullable=False),
        Column("finished_at", String),
        Column("version", Integer),
        Column("report", Text),
    )
    make_table(
        operations,
        "flow_runs",
        Column("flow", String, primary_key=True),
        Column("key", String, primary_key=True),
        Column("state", String, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("started_at", String, nullable=False),
        Column("finished_at", String),
        Column("result", Text),
    )


def _scores(operations: Operations) -> None:
    make_table(
        operations,
        "score_sets",
        Column("set_id", String, primary_key=True),
        Column("kind", String, nullable=False),
        Column("cutoff", String, nullable=False),
        Column("model_version", String, nullable=False),
        Column("data_version", Integer, nullable=False),
        Column("horizons", Text, nullable=False),
        Column("components", Text, nullable=False),
        Column("size", Integer, nullable=False),
        Column("scored_at", String, nullable=False),
    )
    make_table(
        operations,
        "scores",
        Column("set_id", String, ForeignKey("score_sets.set_id"), primary_key=True),
        Column("entity_id", String, primary_key=True),
        Column("ranks", Text, nullable=False),
        Column("content", Text, nullable=False),
    )
    make_index(operations, "score_sets_newest", "score_sets", "kind", "cutoff", "scored_at")
