"""The rule that fills ``available_at`` where a source has none: when a fact could have been known at the earliest.

- tables of events: the event time, or the latest further instant of the row (a repair's closing), plus the fleet
  spec's ``available_after``;
- devices: ``installed_at``, since ever where it is unknown; customers: ``since``; capacity: the day itself, 00:00 UTC;
- a retirement or a customer's leaving was not known before it happened: such a row becomes two versions, the first
  without it.

Stock and parts used have no instant of their own: they need the column.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from aftercast.data.contract import Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.operations.clocks import EARLIEST, TIME_DTYPE
from aftercast.operations.errors import InputError

STANDING_SINCE: Final = {"devices": "installed_at", "customers": "since", "capacity": "date"}
ENDS: Final = {"devices": "retired_at", "customers": "left_at"}


def fill_available_at(batch: Batch, table: Table, frame: pd.DataFrame, spec: FleetSpec) -> pd.DataFrame:
    """Return the typed frame with ``available_at`` by the rule; as it is where the column was delivered.

    Raises
    ------
    InputError
        If the table has no instant the rule could use.
    """
    if "available_at" in frame.columns:
        return frame
    clock = table.event_time or STANDING_SINCE.get(table.name)
    if clock is None:
        raise InputError(
            f"{batch.origin}: table '{table.name}' needs the column 'available_at', which its "
            f"{len(frame):,} rows lack.",
            "Add the time with zone at which each row was true, for example when it was exported.",
        )
    known = frame[clock] if clock in frame.columns else pd.Series(pd.NaT, index=frame.index, dtype=TIME_DTYPE)
    if table.event_time is None:
        known = known.fillna(EARLIEST if known.dt.tz is not None else EARLIEST.tz_localize(None))
    if known.dt.tz is None:
        known = known.dt.tz_localize("UTC")
    for name in table.until:
        if name in frame.columns:
            known = known.where(frame[name].isna() | (frame[name] < known), frame[name])
    if table.event_time is not None:
        known = known + spec.delay(table.name)
    return frame.assign(available_at=known.astype(TIME_DTYPE))


def split_ends(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Turn each row with an end (retired, left) into the version before it was known and the version with it."""
    end = ENDS.get(table.name)
    if end is None or end not in frame.columns:
        return frame
    ended = frame[frame[end].notna() & (frame[end] > frame["available_at"])]
    if len(ended) == 0:
        return frame
    first = frame.copy()
    first.loc[ended.index, end] = pd.NaT
    return pd.concat([first, ended.assign(available_at=ended[end])], ignore_index=True)
