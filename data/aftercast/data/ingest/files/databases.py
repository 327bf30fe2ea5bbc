"""Reading a table or a query of a database in chunks, by its SQLAlchemy address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from aftercast.data.ingest.files.places import DRIVERS, name_of
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

EXACT_TYPES: Final = (bool, int, float)


def database_tables(address: str) -> list[str]:
    """Names of the tables and views of a database, sorted."""
    with _connected(address) as connection:
        looked = sa.inspect(connection)
        return sorted([*looked.get_table_names(), *looked.get_view_names()])


def query_chunks(address: str, query: str, rows_at_once: int) -> Iterator[pd.DataFrame]:
    """Chunks of the rows of a table, or of a query that begins with SELECT or WITH; never empty.

    Raises
    ------
    InputError
        If the database cannot be reached or has no such table, or the query fails.
    """
    with _connected(address) as connection:
        found = connection.execution_options(yield_per=rows_at_once).execute(_statement(connection, query))
        names = [str(name) for name in found.keys()]  # noqa: SIM118 - of a result, not of a mapping
        for rows in found.partitions(rows_at_once):
            yield pd.DataFrame({name: _column([row[place] for row in rows]) for place, name in enumerate(names)})


def query_names(address: str, query: str) -> list[str]:
    """Names of the columns of a table or query."""
    with _connected(address) as connection:
        found = connection.execution_options(yield_per=1).execute(_statement(connection, query))
        return [str(name) for name in found.keys()]  # noqa: SIM118 - of a result, not of a mapping


def _statement(connection: Connection, query: str) -> sa.Executable:
    if query.lstrip().lower().startswith(("select", "with")):
        return sa.text(query)
    looked = sa.inspect(connection)
    known = [*looked.get_table_names(), *looked.get_view_names()]
    if query not in known:
        raise InputError(
            f"The database has no table '{query}'.",
            suggestion(query, known, "Tables") + " Or write a query that begins with SELECT.",
        )
    return sa.select(sa.text("*")).select_from(sa.table(query))


@contextmanager
def _connected(address: str) -> Iterator[Connection]:
    try:
        url = make_url(address)
        if url.drivername in DRIVERS:
            url = url.set(drivername=DRIVERS[url.drivername])
        engine = sa.create_engine(url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise InputError(
            "The address of the database cannot be used.",
            "Write postgresql://user@host/name or sqlite:///file.db, and install the driver it needs.",
        ) from error
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
        raise InputError(f"Database {name_of(address)}: {cause}.", "Correct the address or the query.") from error
    finally:
        engine.dispose()


def _column(values: Sequence[Any]) -> pd.Series:
    """Values in the type that loses nothing: whole numbers exact, anything mixed as it came."""
    held = {type(value) for value in values if value is not None}
    if held == {int}:
        whole = pd.Series(values, dtype="object")
        return whole.astype("Int64") if all(abs(value) < 2**63 for value in values if value is not None) else whole
    if held and held <= {int, float}:
        return pd.Series(values, dtype="float64")
    return pd.Series(values) if held == {bool} else pd.Series(values, dtype="object")
