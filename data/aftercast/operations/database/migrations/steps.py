"""What migrations do to tables, leaving alone what is there already."""

from __future__ import annotations

from typing import Any

from alembic.operations import Operations
from sqlalchemy import Column, Inspector, inspect

from aftercast.operations.errors import WorkspaceError


def make_table(operations: Operations, name: str, *parts: Any) -> None:
    """Create a table, unless it is there with these columns.

    Parameters
    ----------
    parts
        Columns and constraints.

    Raises
    ------
    WorkspaceError
        If a table of this name is there that lacks a column: it is not one of aftercast.
    """
    inspector = _inspector(operations)
    if not inspector.has_table(name):
        operations.create_table(name, *parts)
        return
    there = _columns(inspector, name)
    lacking = [part.name for part in parts if isinstance(part, Column) and part.name not in there]
    if lacking:
        raise WorkspaceError(
            f"The database has a table '{name}' without the column '{lacking[0]}': it is not one of aftercast.",
            "Give aftercast a database of its own: database.address.",
        )


def make_index(operations: Operations, name: str, table: str, *columns: str) -> None:
    """Create an index, unless one of its name is there."""
    operations.create_index(name, table, list(columns), if_not_exists=True)


def add_columns(operations: Operations, table: str, *columns: Column[Any]) -> None:
    """Add columns, those that are there excepted; rows that are there have NULL in them."""
    there = _columns(_inspector(operations), table)
    with operations.batch_alter_table(table) as batch:
        for column in columns:
            if column.name not in there:
                batch.add_column(column)


def add_to_key(operations: Operations, table: str, column: Column[Any], *, ahead_of: str) -> None:
    """Add a column and make it the first of the primary key, unless it is there; rows that are there have its default.

    SQLite copies the table, inside the transaction of the upgrade: killed before its end, nothing was changed.

    Parameters
    ----------
    column
        Not null, with a default of the server: whoever does not know the column may go on inserting.
    ahead_of
        The column that was the whole key.
    """
    inspector = _inspector(operations)
    if column.name in _columns(inspector, table):
        return
    name = inspector.get_pk_constraint(table)["name"] or f"{table}_pkey"
    with operations.batch_alter_table(table, naming_convention={"pk": "%(table_name)s_pkey"}) as batch:
        batch.add_column(column)
        batch.drop_constraint(name, type_="primary")  # SQLite knows no name of it; the convention gives it one
        batch.create_primary_key(name, [column.name, ahead_of])


def _inspector(operations: Operations) -> Inspector:
    return inspect(operations.get_bind())


def _columns(inspector: Inspector, table: str) -> set[str]:
    return {column["name"] for column in inspector.get_columns(table)}
