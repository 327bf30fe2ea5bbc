"""What the tables share: their metadata, the types of their columns, and inserting a row once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd
from sqlalchemy import JSON, Connection, DateTime, Dialect, MetaData, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator

METADATA: Final = MetaData()
JSON_OR_NULL: Final = JSON(none_as_null=True)
"""JSON whose None is NULL, not the JSON text ``null``."""
_INSERT: Final[Mapping[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class UtcTime(TypeDecorator[pd.Timestamp]):
    """Instant in UTC with microseconds, equal on both engines; a value in another zone is converted.

    Raises
    ------
    ValueError
        If a time without a zone is written or compared with.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Time for the driver; SQLite keeps no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone reached the database.")
        utc = pd.Timestamp(value).tz_convert(UTC).to_pydatetime(warn=False)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> pd.Timestamp | None:  # noqa: ARG002  # of the base
        """Time as the rest of the code has it."""
        if value is None:
            return None
        moment = pd.Timestamp(value)
        return (moment.tz_localize(UTC) if moment.tzinfo is None else moment.tz_convert(UTC)).as_unit("us")


def insert_once(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row; False if one with its primary key exists, which stays as it is.

    Raises
    ------
    IntegrityError
        If the row breaks any other rule of the table, such as a value that must not be missing.
    """
    keys = [column.name for column in table.primary_key]
    insert = _INSERT[connection.dialect.name](table).values(**values).on_conflict_do_nothing(index_elements=keys)
    return connection.execute(insert.execution_options(preserve_rowcount=True)).rowcount == 1


def utc_now() -> pd.Timestamp:
    """Present instant in UTC, in microseconds as the tables keep it."""
    return pd.Timestamp.now("UTC").as_unit("us")
