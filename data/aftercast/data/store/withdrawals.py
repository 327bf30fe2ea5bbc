"""Withdrawals: facts that somebody took back, by their key; from then on nobody believes them, before it stays.

A withdrawal covers what its fact said until then. A row of the same key that became known later is a new statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Ints, Mask
from aftercast.data.contract import AVAILABLE_AT, Column, Table
from aftercast.data.store.hashing import hash_rows
from aftercast.operations.clocks import NEVER, from_us, timestamp_us, to_us

WITHDRAWALS: Final = Table(
    "_withdrawals",
    "a fact that was taken back; available_at is since when",
    key=("table", "key_hash"),
    columns=(
        Column("table", "text", required=True),
        Column("key_hash", "int", required=True),
        Column("key", "text"),
        Column("reason", "text"),
        Column("import_id", "text", required=True),
        AVAILABLE_AT,
    ),
    event_time=None,
)
"""Table of the store that only an import writes; ``key`` is JSON text, which a vacuum empties."""


@dataclass(frozen=True)
class Withdrawals:
    """Withdrawals of one table, sorted by key, then instant.

    Attributes
    ----------
    hashes, since_us
        Hash of each key, and since when it is taken back (microseconds), shape (k,).
    """

    table: Table
    hashes: Ints
    since_us: Ints

    @staticmethod
    def of(table: Table, stored: pd.DataFrame, known_at: pd.Timestamp | None = None) -> Withdrawals:
        """Withdrawals of a table among the stored ones, those of later than ``known_at`` left out."""
        mine = stored[stored["table"] == table.name]
        hashes = np.asarray(mine["key_hash"], dtype=np.int64)
        since = to_us(mine["available_at"])
        if known_at is not None:
            hashes, since = hashes[since <= timestamp_us(known_at)], since[since <= timestamp_us(known_at)]
        order = np.lexsort((since, hashes))
        return Withdrawals(table, hashes[order], since[order])

    def since(self, frame: pd.DataFrame) -> Ints:
        """Since when each row, its key included, is taken back; :data:`NEVER` where it is not, shape (n,)."""
        found = np.full(len(frame), NEVER, dtype=np.int64)
        if len(self.hashes) == 0 or len(frame) == 0:
            return found
        keys = key_hashes(self.table, frame)
        near = np.flatnonzero(np.isin(keys, self.hashes))
        available = to_us(frame["available_at"])
        for row in near.tolist():
            first = int(np.searchsorted(self.hashes, keys[row], "left"))
            last = int(np.searchsorted(self.hashes, keys[row], "right"))
            place = first + np.searchsorted(self.since_us[first:last], available[row], "left")
            found[row] = self.since_us[place] if place < last else NEVER
        return found

    def covers(self, frame: pd.DataFrame) -> Mask:
        """Rows that are taken back, shape (n,)."""
        return self.since(frame) != NEVER

    def with_instants(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Frame with ``withdrawn_at`` (UTC), missing where a row was not taken back."""
        moments = pd.Series(from_us(self.since(frame)), index=frame.index)
        return frame.assign(withdrawn_at=moments)


def key_hashes(table: Table, frame: pd.DataFrame) -> Ints:
    """Hash of the key of each row, shape (n,)."""
    return hash_rows(frame, table.key).view(np.int64)
