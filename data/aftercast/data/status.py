"""What a store holds, in the figures people ask for first; `aftercast status` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from aftercast.data.contract import TABLES, Table
from aftercast.data.store import Store
from aftercast.data.store.quarantine import QuarantineCount, summarise_quarantine


@dataclass(frozen=True)
class TableStatus:
    """One stored table.

    Attributes
    ----------
    rows
        Stored rows, corrections included.
    devices
        Different devices in it; None where the table has none.
    first_event, last_event
        Least and greatest event time (UTC); None for tables of standing facts.
    newest_available
        Greatest ``available_at`` (UTC).
    """

    name: str
    rows: int
    devices: int | None
    first_event: pd.Timestamp | None
    last_event: pd.Timestamp | None
    newest_available: pd.Timestamp | None


@dataclass(frozen=True)
class StoreStatus:
    """A published version of the store.

    Attributes
    ----------
    version
        0 where nothing was imported yet.
    observed_until
        Instant up to which the world was observed; None without events.
    freshness
        How long before ``now`` the newest fact became available; None for an empty store.
    """

    version: int
    observed_until: pd.Timestamp | None
    tables: tuple[TableStatus, ...]
    quarantine: tuple[QuarantineCount, ...]
    freshness: pd.Timedelta | None


def describe(store: Store, *, version: int | None = None, now: pd.Timestamp | None = None) -> StoreStatus:
    """Describe a published version (the newest by default) as seen at an instant (UTC, the present by default)."""
    version = store.version() if version is None else version
    moment = pd.Timestamp.now("UTC") if now is None else now
    tables = tuple(_describe_table(store, version, TABLES[name], rows) for name, rows in store.tables(version).items())
    newest = max((t.newest_available for t in tables if t.newest_available is not None), default=None)
    return StoreStatus(
        version=version,
        observed_until=store.observed_until(version),
        tables=tables,
        quarantine=tuple(summarise_quarantine(store.quarantine(version))),
        freshness=None if newest is None else moment - newest,
    )


def _describe_table(store: Store, version: int, table: Table, rows: int) -> TableStatus:
    clocks = [*([] if table.event_time is None else [table.event_time]), "available_at"]
    wanted = [*clocks, *(["device_id"] if table.has("device_id") else [])]
    frame = store.read(table.name, version=version, columns=wanted)
    events = None if table.event_time is None else frame[table.event_time]
    return TableStatus(
        name=table.name,
        rows=rows,
        devices=int(frame["device_id"].nunique()) if table.has("device_id") else None,
        first_event=None if events is None else _instant(events.min()),
        last_event=None if events is None else _instant(events.max()),
        newest_available=_instant(frame["available_at"].max()),
    )


def _instant(value: Any) -> pd.Timestamp | None:
    return None if pd.isna(value) else value
