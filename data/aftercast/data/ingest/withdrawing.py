"""Rows of an import that take facts back: told by the column ``withdrawn``, identified by the key of their table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Ints, Mask
from aftercast.data.contract import TABLES, WITHDRAWAL_REASON, WITHDRAWN, Table
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.validation.checks import Breach
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.data.ingest.validation.refusals import quarantine_rows
from aftercast.data.store import Selection
from aftercast.data.store.withdrawals import Withdrawals, key_hashes
from aftercast.operations.clocks import TIME_DTYPE

OWN: Final = (WITHDRAWN.name, WITHDRAWAL_REASON.name)
NOTHING: Final = "nothing_to_withdraw"
"""Reason of the quarantine for a row that takes back what nobody ever said."""
Refuse = Callable[[pd.DataFrame], None]
Read = Callable[[str, Selection], pd.DataFrame]


def takes_back(row: Mapping[str, Any]) -> bool:
    """Whether a record takes a fact back."""
    return bool(parse_cells(pd.Series([row.get(WITHDRAWN.name)], dtype="object"), "bool").values.fillna(False).iloc[0])


def part_withdrawn(batch: Batch) -> tuple[Batch, Batch | None]:
    """Rows that say something, without the columns of withdrawals; and rows that take something back, if any."""
    if WITHDRAWN.name not in batch.frame.columns or batch.table not in TABLES:
        return batch, None
    parsed = parse_cells(batch.frame[WITHDRAWN.name], "bool").values
    mask = np.asarray(parsed.fillna(value=False), dtype=bool)
    stated = batch.frame[~mask].drop(columns=[name for name in OWN if name in batch.frame.columns])
    return replace(batch, frame=stated), replace(batch, frame=batch.frame[mask]) if mask.any() else None


@dataclass
class Withdrawing:
    """Withdrawals of an import under way.

    Parameters
    ----------
    now
        When the import began (UTC): since then they count, unless a row says that it was known earlier.
    """

    import_id: str
    now: pd.Timestamp
    waiting: dict[str, list[pd.DataFrame]] = field(default_factory=dict)

    def take(self, batch: Batch, refuse: Refuse) -> None:
        """Keep the withdrawals of a batch until everything it brings is stored; refuse rows without their whole key."""
        table = TABLES[batch.table]
        raw = batch.frame.reset_index(drop=True)
        frame = pd.DataFrame({name: _cells(table, raw, name) for name in table.key})
        known = _cells(table, raw, "available_at").fillna(self.now)
        frame["available_at"] = known.where(known <= self.now, self.now).astype(TIME_DTYPE)
        frame["reason"] = _cells(table, raw, WITHDRAWAL_REASON.name)
        frame["_origin"], frame["_number"] = batch.origin, batch.first_row + np.arange(len(raw))
        lacking = np.asarray(frame[list(table.key)].isna().any(axis=1))
        refuse(_refused(table, frame, lacking, "missing_value", f"a withdrawal needs {', '.join(table.key)}"))
        self.waiting.setdefault(table.name, []).append(frame[~lacking])

    def rows(self, read: Read, stored: pd.DataFrame, refuse: Refuse) -> tuple[pd.DataFrame, dict[str, tuple[int, int]]]:
        """Rows to be stored, and how many of each table took something back and how many were told before.

        Parameters
        ----------
        read
            Reads every row of a table, those of this import included.
        stored
            Withdrawals so far.
        """
        found: list[pd.DataFrame] = []
        counts: dict[str, tuple[int, int]] = {}
        for name, frames in self.waiting.items():
            table = TABLES[name]
            frame = pd.concat(frames, ignore_index=True).drop_duplicates(list(table.key), ignore_index=True)
            hashes = key_hashes(table, frame)
            believed, known = _standing(table, read, Withdrawals.of(table, stored))
            unknown = ~np.isin(hashes, known)
            refuse(_refused(table, frame, unknown, NOTHING, "nothing with this key was ever stored"))
            new = np.isin(hashes, believed)
            counts[name] = (int(new.sum()), int((~new & ~unknown).sum()))
            found.append(self._rows(table, frame[new].reset_index(drop=True), hashes[new]))
        return pd.concat(found, ignore_index=True), counts

    def _rows(self, table: Table, frame: pd.DataFrame, hashes: Ints) -> pd.DataFrame:
        keys = frame[list(table.key)].astype(object).map(str).to_dict("records")
        return pd.DataFrame(
            {
                "table": pd.Series([table.name] * len(frame), dtype="str"),
                "key_hash": pd.Series(hashes, dtype="Int64"),
                "key": pd.Series([json.dumps(key, ensure_ascii=False) for key in keys], dtype="str"),
                "reason": frame["reason"],
                "import_id": pd.Series([self.import_id] * len(frame), dtype="str"),
                "available_at": frame["available_at"],
            }
        )


def _cells(table: Table, raw: pd.DataFrame, name: str) -> pd.Series:
    """Typed cells of a column, missing where there is none."""
    column = table.column(name)
    cells = raw[name] if name in raw.columns else pd.Series([None] * len(raw), dtype="object")
    return parse_cells(cells, "text" if column is None else column.kind).values


def _standing(table: Table, read: Read, withdrawals: Withdrawals) -> tuple[Ints, Ints]:
    """Hashes of the keys that something is believed of, and of all that something was ever said of."""
    stored = read(table.name, Selection(columns=[*table.key, "available_at"], ordered=False))
    hashes = key_hashes(table, stored)
    known: Ints = np.concatenate([hashes, withdrawals.hashes])
    return hashes[~withdrawals.covers(stored)], known


def _refused(table: Table, frame: pd.DataFrame, rows: Mask, reason: str, about: str) -> pd.DataFrame:
    public = frame.drop(columns=["_origin", "_number"])
    return quarantine_rows(table, public, Breach(reason, rows, "", about), frame["_origin"], frame["_number"])
