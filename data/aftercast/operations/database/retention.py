"""What ages out of the operational database, and how nothing is left of an id that must be forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pandas as pd
from sqlalchemy import Column as SqlColumn
from sqlalchemy import ColumnElement, Connection, Engine, String, Table, cast, delete, func, or_, select, update

from aftercast.operations.database.audit_anchors import AUDIT_ANCHORS
from aftercast.operations.database.flow_runs import FLOW_RUNS
from aftercast.operations.database.forecasts import FORECAST_SETS, FORECASTS
from aftercast.operations.database.imports import IMPORTS
from aftercast.operations.database.inbox import INBOX
from aftercast.operations.database.risk_lists import RISK_LISTS
from aftercast.operations.settings import RetentionSettings

FORGOTTEN: Final = "(forgotten)"
"""Stands where an id stood in texts of reports."""


def remove_old(engine: Engine, kept: RetentionSettings, now: pd.Timestamp, *, dry_run: bool = False) -> dict[str, int]:
    """Remove what is past its time, and say how much of what; ``dry_run`` removes nothing.

    The newest forecasts of each kind stay, whatever their age, and so does the newest anchor of each day.
    """
    found = {}
    with engine.begin() as connection:
        for name, remove in _WAYS.items():
            keep = kept.span(name)
            if keep is not None:
                found[name] = remove(connection, now - keep, dry_run)
    return {name: count for name, count in found.items() if count > 0}


def _inbox(connection: Connection, limit: pd.Timestamp, dry_run: bool) -> int:
    return _remove(connection, INBOX, INBOX.c.drained_at < limit, dry_run)


def _lists(connection: Connection, limit: pd.Timestamp, dry_run: bool) -> int:
    return _remove(connection, RISK_LISTS, RISK_LISTS.c.made_at < limit, dry_run)


def _logs(connection: Connection, limit: pd.Timestamp, dry_run: bool) -> int:
    imports = _remove(connection, IMPORTS, IMPORTS.c.started_at < limit, dry_run)
    return imports + _remove(connection, FLOW_RUNS, FLOW_RUNS.c.started_at < limit, dry_run)


def _forecasts(connection: Connection, limit: pd.Timestamp, dry_run: bool) -> int:
    sets = FORECAST_SETS.c
    newest = select(sets.kind, func.max(sets.cutoff)).group_by(sets.kind)
    latest = {(row[0], row[1]) for row in connection.execute(newest)}
    old = connection.execute(select(sets.set_id, sets.kind, sets.cutoff).where(sets.scored_at < limit))
    ids = [row.set_id for row in old if (row.kind, row.cutoff) not in latest]
    if not dry_run:
        for set_id in ids:
            connection.execute(delete(FORECASTS).where(FORECASTS.c.set_id == set_id))
            connection.execute(delete(FORECAST_SETS).where(sets.set_id == set_id))
    return len(ids)


def _anchors(connection: Connection, limit: pd.Timestamp, dry_run: bool) -> int:
    anchors = AUDIT_ANCHORS.c
    day = func.date(anchors.anchored_at)
    last = select(func.max(anchors.seq)).group_by(anchors.chain, day).where(anchors.anchored_at < limit)
    return _remove(connection, AUDIT_ANCHORS, (anchors.anchored_at < limit) & anchors.seq.not_in(last), dry_run)


_WAYS: Final[Mapping[str, Callable[[Connection, pd.Timestamp, bool], int]]] = {
    "inbox": _inbox,
    "forecasts": _forecasts,
    "lists": _lists,
    "anchors": _anchors,
    "logs": _logs,
}


def _remove(connection: Connection, table: Table, where: ColumnElement[bool], dry_run: bool) -> int:
    if dry_run:
        return int(connection.execute(select(func.count()).select_from(table).where(where)).scalar_one())
    return connection.execute(delete(table).where(where).execution_options(preserve_rowcount=True)).rowcount


def forget_entity(engine: Engine, entity_id: str) -> int:
    """Remove every forecast, list row and record of an id, and its name from reports; how many rows had it.

    Only the audit log goes on to name it: what was answered stays provable.
    """
    with engine.begin() as connection:
        own = FORECASTS.c.entity_id == entity_id
        removed = connection.execute(delete(FORECASTS).where(own).execution_options(preserve_rowcount=True)).rowcount
        for column in _TEXTS:
            for keys, content in list(_naming(connection, column, entity_id)):
                values = {column.name: without(content, entity_id)}
                connection.execute(update(column.table).where(*keys).values(**values))
                removed += 1
    return removed


_TEXTS: Final[tuple[SqlColumn[Any], ...]] = (
    FORECASTS.c.content,
    RISK_LISTS.c.content,
    INBOX.c.content,
    INBOX.c.wrong,
    IMPORTS.c.report,
    FLOW_RUNS.c.result,
)


def _naming(
    connection: Connection, column: SqlColumn[Any], entity_id: str
) -> Iterator[tuple[list[ColumnElement[bool]], Any]]:
    """Rows whose JSON names an id: what finds each, and its content."""
    written = {entity_id, json.dumps(entity_id)[1:-1]}
    names = or_(*(cast(column, String).contains(text, autoescape=True) for text in written))
    key = list(column.table.primary_key)
    for row in connection.execute(select(*key, column).where(names)):
        yield [each == row._mapping[each] for each in key], row._mapping[column]


def without(content: Any, entity_id: str) -> Any:
    """JSON content without an id: records and list rows of it are left out, texts lose its name.

    >>> without({"rows": [{"device_id": "D1"}, {"device_id": "D2"}], "example": "D1 is odd"}, "D1")
    {'rows': [{'device_id': 'D2'}], 'example': '(forgotten) is odd'}
    """
    if isinstance(content, str):
        return content.replace(entity_id, FORGOTTEN)
    if isinstance(content, list):
        return [without(each, entity_id) for each in content if not _is_of(each, entity_id)]
    if isinstance(content, dict):
        return {name: without(value, entity_id) for name, value in content.items()}
    return content


def _is_of(content: Any, entity_id: str) -> bool:
    return isinstance(content, dict) and entity_id in {content.get("device_id"), content.get("customer_id")}


def shrink(engine: Engine) -> None:
    """Give freed pages back, so that nothing of what was removed is left in the file; SQLite only."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
