"""The rule that fills ``available_at`` where a source has none: when a fact could have been known at the earliest.

- An event became known when it happened, plus the ``available_after`` of its table. What it led to (the closing of an
  order, the rating of a contact) became known as much later than the event was over: such a row becomes two versions.
- Devices are taken as known since ``installed_at`` (since ever if unknown), customers since ``since``, capacity
  since the day itself, 00:00 UTC. A retirement or a customer's leaving was not known before it happened: two versions
  again.
- Stock and parts used have no instant of their own: they are known from their import.

A time given by this rule never lies after the import: what has come in is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.store.hashing import hash_rows
from aftercast.operations.clocks import EARLIEST, TIME_DTYPE
from aftercast.operations.errors import InputError

STANDING_SINCE: Final = {"devices": "installed_at", "customers": "since", "capacity": "date"}
MINUTES: Final[Mapping[str, int]] = {"min": 1, "h": 60}
"""Minutes of the units in which the contract has durations."""


def fill_available_at(
    batch: Batch, table: Table, frame: pd.DataFrame, spec: FleetSpec, now: pd.Timestamp | None
) -> pd.DataFrame:
    """Return the typed frame with ``available_at`` by the rule, when all of a row was known; as it is where it came.

    Parameters
    ----------
    now
        When the rows came (UTC); None where nobody knows.

    Raises
    ------
    InputError
        If the table has no instant the rule could use, and nobody knows when the rows came.
    """
    if "available_at" in frame.columns:
        return frame
    clock = table.event_time or STANDING_SINCE.get(table.name)
    if clock is None:
        if now is not None:
            return frame.assign(available_at=pd.Series(now, index=frame.index, dtype=TIME_DTYPE))
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
    if table.event_time is not None:
        known = _later(known, over(table, frame)) + spec.delay(table.name)
    return frame.assign(available_at=_by(known, now))


def over(table: Table, frame: pd.DataFrame) -> pd.Series:
    """When each event and what it led to was over, as far as the row says (UTC)."""
    known = frame[str(table.event_time)]
    for name in table.until:
        if name in frame.columns:
            known = _later(known, frame[name])
    for name, unit in table.durations.items():
        if name in frame.columns:
            length = frame[name].where((frame[name] > 0) & (frame[name] < _LONGEST))
            took = pd.to_timedelta(length * MINUTES[unit], unit="m").dt.as_unit("us")
            known = _later(known, frame[str(table.event_time)] + took)
    return known


_LONGEST: Final = 10 * 365 * 24 * 60
"""Longer durations (of ten years in minutes) are slips; times would overflow."""


def split_ends(table: Table, frame: pd.DataFrame, spec: FleetSpec, now: pd.Timestamp | None) -> pd.DataFrame:
    """Turn each row that says how it ended into the version before that was known and the version with it.

    The end of a device that was replaced under its id at the same instant is left out: the new one's row is the version
    of that instant.
    """
    if table.results:
        began = _by(frame[str(table.event_time)] + spec.delay(table.name), now)
        said = [name for name in table.results if name in frame.columns]
        late = frame["available_at"] > began if said else pd.Series(data=False, index=frame.index)
        first = frame[late].assign(available_at=began[late], **{name: _nothing(frame[name][late]) for name in said})
        return pd.concat([first, frame], ignore_index=True) if len(first) else frame
    if table.end is None or table.end not in frame.columns:
        return frame
    end = _by(frame[table.end], now)
    ended = frame[frame[table.end].notna() & (end > frame["available_at"])]
    if len(ended) == 0:
        return frame
    ends = ended.assign(available_at=end[ended.index])
    identity = [*table.key, "available_at"]
    ends = ends[~np.isin(hash_rows(ends, identity), hash_rows(frame, identity))]
    first = frame.copy()
    first.loc[ended.index, table.end] = pd.NaT
    return pd.concat([first, ends], ignore_index=True)


def known_from_import(table: Table, frame: pd.DataFrame, spec: FleetSpec, now: pd.Timestamp | None) -> pd.DataFrame:
    """Turn each row with attributes that are known from their import only into the version before it and that of it."""
    rule = spec.table(table.name).attributes if table.open and table.name != "telemetry" else {}
    late = [name for name, known in rule.items() if known == "from_import" and name in frame.columns]
    if not late or now is None:
        return frame
    before = frame.assign(**{name: _nothing(frame[name]) for name in late})
    newest = frame.sort_values("available_at", kind="stable").drop_duplicates(list(table.key), keep="last").sort_index()
    told = newest[newest[late].notna().any(axis=1) & (newest["available_at"] < now)]
    same = frame.index.isin(told.index) | frame[late].isna().all(axis=1) | (frame["available_at"] < now)
    return pd.concat([before.where(same, frame), told.assign(available_at=now)], ignore_index=True)


def _later(times: pd.Series, others: pd.Series) -> pd.Series:
    """Return the later of two times, the first where the second is missing."""
    return times.where(others.isna() | (others < times), others)


def _by(times: pd.Series, now: pd.Timestamp | None) -> pd.Series:
    """Return times that do not lie after now."""
    known = times.astype(TIME_DTYPE)
    return known if now is None else known.where(known.isna() | (known <= now), now).astype(TIME_DTYPE)


def _nothing(values: pd.Series) -> pd.Series:
    """Return missing values of the same kind."""
    return values.where(pd.Series(data=False, index=values.index))
