"""What an import brings that the store has already, and what contradicts it.

Two rows of one key and one ``available_at`` are one fact: equal cells are a duplicate, cells that only one of them
has are merged, cells that differ are a conflict, and the row that came first stands. A row that is available later
corrects the one before it. One that says the same is kept if it has a clock of its own: a correction of an earlier
time may still come. Telemetry is compared cell by cell, other tables row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from aftercast.data.arrays import Floats, Hashes, Ints, Mask, Positions
from aftercast.data.contract import Table
from aftercast.data.ingest.corrections import Moment, Redated, date_corrections
from aftercast.data.ingest.validation.validate import DATED
from aftercast.data.store.hashing import among, hash_rows
from aftercast.data.store.layout import IMPORT, ROW, row_hashes
from aftercast.data.store.reading import Selection

Reader = Callable[[Selection], pd.DataFrame]
CONFLICT: Final = "conflicting_duplicate"
"""Reason of the quarantine for a row that contradicts another of its key and ``available_at``."""


@dataclass(frozen=True)
class Resolved:
    """Rows of an import with the verdict on each, of shape (n,); a row is kept, a duplicate or in conflict.

    Attributes
    ----------
    frame
        The rows, corrections without a clock of their own dated.
    corrects
        Kept rows that replace what was visible before them.
    completed
        Stored rows with attributes that are true since ever added to them, to be stored once more.
    """

    frame: pd.DataFrame
    kept: Mask
    conflicts: Mask
    corrects: Mask
    completed: pd.DataFrame


def resolve(table: Table, frame: pd.DataFrame, read: Reader, moment: Moment | None = None) -> Resolved:
    """Compare typed rows (in order of arrival) with each other and with what is stored.

    Parameters
    ----------
    frame
        With ``_dated`` where rows may lack a clock of their own.
    read
        Reads the stored rows of the table, those of this import included.
    moment
        The import that the rows came with; None where they are stored nowhere, and correct nothing.
    """
    keys, hashes = hash_rows(frame, table.key), row_hashes(frame)
    stored = read(_near(table, frame, [*table.key, ROW]))
    stored_keys, stored_rows = hash_rows(stored, table.key), np.asarray(stored[ROW], dtype=np.int64)
    known, again = among(keys, stored_keys), among(hashes, stored_rows)
    redated = Redated(frame, np.zeros(len(frame), dtype=bool), frame.iloc[:0])
    if moment is not None and not bool(frame[DATED].all()):
        asked = _asked(table, frame, (keys, stored_keys), known, again)
        if asked.any():
            redated = _redated(table, frame, asked, read, moment)
            hashes = row_hashes(redated.frame)
            again = among(hashes, stored_rows)
    frame, fresh = redated.frame, ~redated.said
    fresh[fresh] = ~_repeats(hashes[fresh])
    fresh &= ~again
    contested = fresh & known
    contested[fresh] |= _repeats(keys[fresh], keep=False)
    conflicts, corrects = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    verdict = Resolved(frame, fresh.copy(), conflicts, corrects, redated.completed)
    if contested.any():
        rivals = _rivals(table, frame[contested], keys[contested], stored_keys, read)
        _judge(table, frame, np.flatnonzero(contested), rivals, verdict)
    return verdict


def _asked(table: Table, frame: pd.DataFrame, keys: tuple[Hashes, Hashes], known: Mask, again: Mask) -> Mask:
    """Rows without a clock of their own that may say something new of stored facts, shape (n,).

    Of a fact with one stored version an exact repeat is no news. With several, the import may go back to an earlier
    one; of telemetry, which is large, that is not looked for.
    """
    mine, stored = keys
    asked = ~np.asarray(frame[DATED], dtype=bool) & known
    news = asked & ~again
    if table.name != "telemetry":
        news |= asked & among(mine, stored[_repeats(stored)])
    return asked & among(mine, mine[news]) if news.any() else news


def _redated(table: Table, frame: pd.DataFrame, asked: Mask, read: Reader, moment: Moment) -> Redated:
    """Date the corrections among the rows, and find those that say what is stored."""
    said = np.zeros(len(frame), dtype=bool)
    wanted = replace(_near(table, frame[asked]), ordered=True)
    rivals = read(wanted).assign(**{IMPORT: read(replace(wanted, columns=[*table.key, IMPORT]))[IMPORT]})
    mine = among(hash_rows(rivals, table.key), hash_rows(frame[asked], table.key))
    rivals = rivals[mine].reset_index(drop=True)
    found = date_corrections(table, frame[asked].reset_index(drop=True), rivals, moment)
    positions = np.flatnonzero(asked)
    said[positions] = found.said
    changed = found.frame.set_axis(frame.index[positions], axis=0)
    return Redated(pd.concat([frame[~asked], changed]).reindex(frame.index), said, found.completed)


def _near(table: Table, frame: pd.DataFrame, columns: Sequence[str] | None = None) -> Selection:
    """Select where a stored row of the same key must lie."""
    by_device = "device_id" in table.key
    by_time = table.event_time is not None and table.event_time in table.key
    return Selection(
        columns=columns,
        device_ids=frame["device_id"].unique().tolist() if by_device else None,
        event_from=frame[table.event_time].min() if by_time else None,
        event_to=frame[table.event_time].max() if by_time else None,
        ordered=False,
    )


def _repeats(hashes: Ints | Hashes, keep: Literal["first", False] = "first") -> Mask:
    """Rows whose hash another row has too, the first of them left out or not, shape (n,)."""
    return pd.Series(hashes).duplicated(keep=keep).to_numpy()


def _rivals(table: Table, frame: pd.DataFrame, keys: Hashes, stored_keys: Hashes, read: Reader) -> pd.DataFrame:
    """Read the stored rows that share a key with the rows."""
    if not among(keys, stored_keys).any():
        return frame.iloc[:0]
    stored = read(_near(table, frame))
    return stored[among(hash_rows(stored, table.key), keys)]


def _judge(table: Table, frame: pd.DataFrame, positions: Positions, rivals: pd.DataFrame, verdict: Resolved) -> None:
    """Settle the contested rows in place."""
    both = pd.concat([rivals, frame.iloc[positions]], ignore_index=True)
    stored = np.arange(len(both)) < len(rivals)
    cells = _cells(table, both)
    codes, facts = _facts(hash_rows(both, table.key), pd.DatetimeIndex(both["available_at"]).as_unit("us").asi8)
    merged, added, conflicts = _merge(codes, stored, cells, len(facts))
    says_new, replaces = _against_earlier(facts, merged)
    old = np.zeros(len(facts), dtype=bool)
    old[codes[stored]] = True
    dated = np.ones(len(both), dtype=bool)
    if DATED in frame.columns:
        dated[~stored] = np.asarray(frame[DATED].iloc[positions], dtype=bool)
    kept = added & ((says_new | old)[codes] | dated)
    mine = ~stored
    verdict.kept[positions] = kept[mine]
    verdict.conflicts[positions] = conflicts[mine]
    verdict.corrects[positions] = (kept & replaces[codes] & ~old[codes])[mine]


def _facts(keys: Hashes, available: Ints) -> tuple[Positions, Hashes]:
    """Find the facts (key and available_at), in order: the fact of every row, and the key of every fact."""
    order = np.lexsort((available, keys))
    sorted_keys, sorted_available = keys[order], available[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (sorted_keys[1:] != sorted_keys[:-1]) | (sorted_available[1:] != sorted_available[:-1])
    codes = np.empty(len(order), dtype=np.intp)
    codes[order] = np.cumsum(new) - 1
    return codes, sorted_keys[new]


def _cells(table: Table, frame: pd.DataFrame) -> Floats:
    """Return what is compared, shape (n, k): the sensors of telemetry; elsewhere one code for the whole row."""
    open_names = [str(c) for c in frame.columns if not str(c).startswith("_") and c not in (*table.key, "available_at")]
    if table.name == "telemetry":
        return np.asarray(frame[open_names], dtype=np.float64)
    content, _ = pd.factorize(hash_rows(frame, open_names))
    return content.astype(np.float64)[:, None]


def _merge(codes: Positions, stored: Mask, cells: Floats, facts: int) -> tuple[Floats, Mask, Mask]:
    """Merge rows into facts in order of arrival.

    Returns
    -------
    merged, added, conflicts
        Cells of every fact, shape (facts, k); rows that gave a fact a cell it lacked, and rows that contradict it,
        both of shape (n,). Stored rows never conflict.
    """
    merged = np.full((facts, cells.shape[1]), np.nan)
    added, conflicts = np.zeros(len(codes), dtype=bool), np.zeros(len(codes), dtype=bool)
    turn = np.asarray(pd.Series(codes).groupby(codes).cumcount())
    for now in _turns(turn):
        fact, incoming = codes[now], cells[now]
        here = merged[fact]
        present, had = ~np.isnan(incoming), ~np.isnan(here)
        clash = (present & had & (incoming != here)).any(axis=1) & ~stored[now]
        news = (present & ~had).any(axis=1) & ~clash
        merged[fact[news]] = np.where(had[news], here[news], incoming[news])
        added[now], conflicts[now] = news, clash
    return merged, added, conflicts


def _turns(turn: Positions) -> Sequence[Positions]:
    """Positions of the first row of every fact, then of the second, and so on."""
    order = np.argsort(turn, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(turn[order])) + 1)


def _against_earlier(keys: Hashes, merged: Floats) -> tuple[Mask, Mask]:
    """Compare each fact (sorted by key, then available_at) with what its key showed before it.

    Returns
    -------
    says_new, replaces
        Facts with a cell that was missing or different before; facts with a cell that was different. Shape (facts,).
    """
    shown = pd.DataFrame(merged).groupby(keys).ffill()
    before = np.asarray(shown.groupby(keys).shift(), dtype=np.float64)
    present = ~np.isnan(merged)
    says_new = (present & (np.isnan(before) | (merged != before))).any(axis=1)
    replaces = (present & ~np.isnan(before) & (merged != before)).any(axis=1)
    return says_new, replaces
