"""What an import says anew of facts that are stored, where nothing says when that became known.

Such a row contradicts the newest stored version of its key, or says the same. A contradiction is a correction that is
known from its import; an end that was cleared (a retirement taken back) is one, too. Columns that the import does not
have stay as they were. Telemetry is compared cell by cell, other tables row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Hashes, Mask, Positions
from aftercast.data.contract import Table
from aftercast.data.ingest.validation.validate import PLACES
from aftercast.data.store.hashing import among, hash_rows
from aftercast.data.store.layout import IMPORT, PRIVATE

INSTANT: Final = pd.Timedelta(1, unit="us")


@dataclass(frozen=True)
class Moment:
    """The import that rows came with.

    Attributes
    ----------
    import_id, at
        Its id, and when it began (UTC).
    constants
        Attributes that are true since ever: they are added to what is stored, whenever they come.
    """

    import_id: str
    at: pd.Timestamp
    constants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Redated:
    """Rows of an import, the corrections among them dated.

    Attributes
    ----------
    frame
        The rows, in the same order.
    said
        Rows that say what is stored already, shape (n,).
    completed
        Stored rows with attributes that are true since ever added to them, to be stored once more.
    """

    frame: pd.DataFrame
    said: Mask
    completed: pd.DataFrame


def date_corrections(table: Table, frame: pd.DataFrame, stored: pd.DataFrame, moment: Moment) -> Redated:
    """Date the corrections among rows without a clock of their own.

    Parameters
    ----------
    frame
        Rows without a clock of their own, in order of arrival, their ``available_at`` filled by the rule.
    stored
        Stored rows of their keys, private columns included, in order of ``available_at``.
    """
    if table.name == "telemetry":
        return _readings(table, frame, stored, moment)
    keys, stored_keys = hash_rows(frame, table.key), hash_rows(stored, table.key)
    newest = pd.Series(np.arange(len(stored)), index=stored_keys).groupby(level=0).last()
    ours = newest.reindex(keys)
    known = np.asarray(ours.notna())
    final = _final(frame, keys) & known
    rows, theirs = np.flatnonzero(final), ours[final].to_numpy(dtype=np.intp)
    frame = _carried(table, frame, stored, rows, theirs)
    constants = [name for name in moment.constants if name in frame.columns]
    stored, completed = _with_constants(table, stored, frame.iloc[rows], constants)
    same = _content(table, frame, rows) == _content(table, stored, theirs, like=frame)
    latest = stored["available_at"].iloc[theirs]
    behind = np.asarray(frame["available_at"].iloc[rows]) <= np.asarray(latest)
    foreign = np.asarray(stored[IMPORT].iloc[theirs] != moment.import_id)
    said = _superseded(table, frame, stored, rows[foreign])
    said[rows[same]] = True
    corrections = np.zeros(len(frame), dtype=bool)
    corrections[rows[~same & behind & foreign]] = True
    return Redated(frame.assign(available_at=frame["available_at"].mask(corrections, moment.at)), said, completed)


def _with_constants(
    table: Table, stored: pd.DataFrame, told: pd.DataFrame, constants: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add attributes that are true since ever where they are missing; return all rows, and those to be stored.

    A completed row is dated :data:`INSTANT` after the one that it completes, so that it is the one to be seen. A row
    that was completed before is left alone.
    """
    if not constants:
        return stored, stored.iloc[:0]
    position = pd.Series(np.arange(len(told)), index=hash_rows(told, table.key))
    mine = position.reindex(hash_rows(stored, table.key))
    having = np.flatnonzero(mine.notna())
    added = np.zeros(len(stored), dtype=bool)
    for name in constants:
        values = told[name].iloc[mine.iloc[having].astype("int64")].set_axis(stored.index[having]).reindex(stored.index)
        had = stored[name] if name in stored.columns else values.where(pd.Series(data=False, index=values.index))
        added |= np.asarray(had.isna() & values.notna())
        stored = stored.assign(**{name: had.where(had.notna(), values)})
    keys, available = hash_rows(stored, table.key), stored["available_at"]
    added[:-1] &= ~((keys[1:] == keys[:-1]) & np.asarray(available.diff()[1:] <= INSTANT))
    completed = stored[added].drop(columns=[name for name in PRIVATE if name in stored.columns])
    return stored, completed.assign(available_at=completed["available_at"] + INSTANT)


def _final(frame: pd.DataFrame, keys: Hashes) -> Mask:
    """Return the row of each key with the latest ``available_at``, the first of several."""
    available = pd.Series(pd.DatetimeIndex(frame["available_at"]).as_unit("us").asi8)
    final = np.zeros(len(frame), dtype=bool)
    final[available.groupby(keys).idxmax().to_numpy()] = True
    return final


def _superseded(table: Table, frame: pd.DataFrame, stored: pd.DataFrame, final: Positions) -> Mask:
    """Find rows before the final one of their key that are about an instant which is stored."""
    identity = [*table.key, "available_at"]
    here = among(hash_rows(frame, identity), hash_rows(stored, identity))
    keys = hash_rows(frame, table.key)
    last = pd.Series(frame["available_at"].iloc[final].to_numpy(), index=keys[final]).reindex(keys)
    return here & np.asarray(frame["available_at"].reset_index(drop=True) < last.reset_index(drop=True))


def _carried(
    table: Table, frame: pd.DataFrame, stored: pd.DataFrame, rows: Positions, theirs: Positions
) -> pd.DataFrame:
    """Return the rows with the cells of columns that the import does not have taken from what is stored."""
    absent = [c for c in map(str, stored.columns) if c not in frame.columns and c not in (*table.key, *PRIVATE)]
    new = {}
    for name in absent:
        values = stored[name].iloc[theirs]
        if values.notna().any():
            new[name] = values.set_axis(rows).reindex(range(len(frame)))
    return frame.assign(**new)


def _content(table: Table, frame: pd.DataFrame, rows: Positions, like: pd.DataFrame | None = None) -> Hashes:
    """Hash of what the rows say beside key and clock, shape (k,)."""
    columns = frame.columns if like is None else [name for name in like.columns if name in frame.columns]
    names = [str(c) for c in columns if c not in (*table.key, "available_at", *PLACES, *PRIVATE)]
    return hash_rows(frame[names].iloc[rows], names)


def _readings(table: Table, frame: pd.DataFrame, stored: pd.DataFrame, moment: Moment) -> Redated:
    """Date readings that differ from the newest stored ones in a cell that both have."""
    sensors = [str(c) for c in frame.columns if c in stored.columns and not table.has(str(c)) and c not in PLACES]
    foreign = stored[stored[IMPORT] != moment.import_id]
    shown = foreign[sensors].groupby(hash_rows(foreign, table.key)).last()
    before = shown.reindex(hash_rows(frame, table.key)).to_numpy(dtype=np.float64)
    said = frame[sensors].to_numpy(dtype=np.float64)
    differs = (~np.isnan(before) & ~np.isnan(said) & (before != said)).any(axis=1)
    available = frame["available_at"].mask(differs, moment.at)
    return Redated(frame.assign(available_at=available), np.zeros(len(frame), dtype=bool), frame.iloc[:0])
