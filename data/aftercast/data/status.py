"""What a store holds, in the figures people ask for first; `aftercast status` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from aftercast.data.contract import TABLES, Table
from aftercast.data.refused_rows import solved
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
    followed_until
        Until when the table tells what happened (UTC); None where nothing is known of that.
    """

    name: str
    rows: int
    devices: int | None
    first_event: pd.Timestamp | None
    last_event: pd.Timestamp | None
    newest_available: pd.Timestamp | None
    followed_until: pd.Timestamp | None


@dataclass(frozen=True)
class StoreStatus:
    """The newest published version of the store.

    Attributes
    ----------
    version
        0 where nothing was imported yet.
    observed_until
        Instant up to which the world was observed; None without events.
    """

    version: int
    observed_until: pd.Timestamp | None
    tables: tuple[TableStatus, ...]
    quarantine: tuple[QuarantineCount, ...]


def describe(store: Store) -> StoreStatus:
    """Describe the newest published version."""
    version = store.version()
    followed = store.followed(version)
    return StoreStatus(
        version=version,
        observed_until=store.observed_until(version),
        tables=tuple(
            _describe_table(store, version, TABLES[name], n, followed.get(name))
            for name, n in store.tables(version).items()
        ),
        quarantine=tuple(summarise_quarantine(_refused(store, version))),
    )


def _refused(store: Store, version: int) -> pd.DataFrame:
    refused = store.quarantine(version)
    return refused.assign(solved=solved(store, refused))


def _describe_table(
    store: Store, version: int, table: Table, rows: int, followed_until: pd.Timestamp | None
) -> TableStatus:
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
        followed_until=followed_until,
    )


def _instant(value: Any) -> pd.Timestamp | None:
    return None if pd.isna(value) else value
