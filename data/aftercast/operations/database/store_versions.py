"""Store versions: which state of every history table was published when, by which import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

import pandas as pd
from sqlalchemy import JSON, Column, Engine, Integer, Row, String, Table, delete, func, select, update

from aftercast.operations.database.tables import METADATA, UtcTime, insert_once
from aftercast.operations.errors import StoreError

STORE_VERSIONS: Final = Table(
    "store_versions",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("published_at", UtcTime, nullable=False),
    Column("import_id", String, nullable=False),
    Column("tables", JSON, nullable=False),
    Column("observed_until", UtcTime),
    Column("device_buckets", Integer, nullable=False),
)


@dataclass(frozen=True)
class TableState:
    """One history table at one store version.

    Attributes
    ----------
    delta, rows
        Version of its files, and its number of rows.
    generation
        How often a vacuum wrote the table anew, into a folder of its own.
    months
        Month -> rows, first and last time of what it tells (ISO 8601, UTC).
    declared_until
        Until when its sources said that it tells everything (ISO 8601, UTC).
    available_after_s
        Seconds after its event at which a row without a clock of its own was dated; None where there was none.
    """

    delta: int
    rows: int
    generation: int = 0
    months: Mapping[str, tuple[int, str, str]] = field(default_factory=dict)
    declared_until: str | None = None
    available_after_s: float | None = None


@dataclass(frozen=True)
class Published:
    """A published store version.

    Attributes
    ----------
    version
        1, 2, 3, ...
    tables
        State of every table that exists at this version.
    observed_until
        Instant (UTC) up to which the world was observed; None where no events were stored yet.
    device_buckets
        Into how many parts telemetry is split; 0 before the first version.
    """

    version: int
    published_at: pd.Timestamp
    import_id: str
    tables: Mapping[str, TableState]
    observed_until: pd.Timestamp | None
    device_buckets: int


EMPTY: Final = Published(0, pd.Timestamp(0, tz="UTC"), "", {}, None, 0)
"""What a store is before its first import."""


def newest_version(engine: Engine) -> Published:
    """Return the newest published version, :data:`EMPTY` where there is none."""
    statement = select(STORE_VERSIONS).order_by(STORE_VERSIONS.c.version.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(statement).one_or_none()
    return EMPTY if row is None else _published(row)


def find_version(engine: Engine, version: int) -> Published:
    """Return one published version.

    Raises
    ------
    StoreError
        If it was never published.
    """
    if version == 0:
        return EMPTY
    with engine.connect() as connection:
        row = connection.execute(select(STORE_VERSIONS).where(STORE_VERSIONS.c.version == version)).one_or_none()
    if row is None:
        newest = newest_version(engine).version
        hint = f"Its newest is {newest}; `aftercast vacuum` ends older ones. To judge by the newest: aftercast score."
        raise StoreError(f"The store has no version {version}.", hint)
    return _published(row)


def list_versions(engine: Engine) -> list[Published]:
    """Every published version, oldest first."""
    with engine.connect() as connection:
        return [_published(row) for row in connection.execute(select(STORE_VERSIONS).order_by("version"))]


def publish(engine: Engine, version: Published) -> None:
    """Make a version the newest, in one transaction.

    Raises
    ------
    StoreError
        If another writer published the same number first.
    """
    values = {column.name: getattr(version, column.name) for column in STORE_VERSIONS.columns}
    tables = {name: asdict(state) for name, state in version.tables.items()}
    with engine.begin() as connection:
        published = insert_once(connection, STORE_VERSIONS, **{**values, "tables": tables})
    if not published:
        raise StoreError(
            f"Another writer published version {version.version} first.", "Run the import again: it loses nothing."
        )


def replace_newest(engine: Engine, version: Published) -> None:
    """Give the newest version other files and end all versions before it, in one transaction.

    Raises
    ------
    StoreError
        If another writer published meanwhile.
    """
    tables = {name: asdict(state) for name, state in version.tables.items()}
    number = STORE_VERSIONS.c.version
    newest = select(func.max(number)).scalar_subquery()
    changed = update(STORE_VERSIONS).where(number == version.version, number == newest).values(tables=tables)
    with engine.begin() as connection:
        if connection.execute(changed.execution_options(preserve_rowcount=True)).rowcount != 1:
            raise StoreError("Another writer published meanwhile.", "Run the vacuum again: nothing was removed.")
        connection.execute(delete(STORE_VERSIONS).where(number < version.version))


def _published(row: Row[tuple[object, ...]]) -> Published:
    tables = {name: TableState(**state) for name, state in row.tables.items()}
    return Published(**{**row._mapping, "tables": tables})
