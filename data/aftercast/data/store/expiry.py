"""Which stored rows are past their time, taken back, or to be forgotten: what a vacuum removes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.contract import Table
from aftercast.data.store.hashing import hash_rows
from aftercast.data.store.quarantine import QUARANTINE
from aftercast.data.store.withdrawals import WITHDRAWALS, Withdrawals

ID_COLUMNS: Final = ("device_id", "customer_id")
OWN_KEYS: Final[Mapping[str, str]] = {"devices": "device_id", "customers": "customer_id"}
ENDS: Final[Mapping[str, str]] = {"devices": "retired_at", "customers": "left_at"}
DATED: Final[Mapping[str, str]] = {"capacity": "date", "parts_used": "available_at", QUARANTINE.name: "available_at"}
"""Tables without an event time whose rows happened once, and their instant; all others hold standing facts."""


@dataclass(frozen=True)
class Expiry:
    """What goes.

    Attributes
    ----------
    now
        Instant of the vacuum (UTC).
    keep
        Table -> how long its rows are kept; a table that is not named keeps them for ever.
    entity_id
        Id of a device or customer of whom nothing stays; empty for nobody.
    work_orders
        Work orders of that device, whose parts go with them.
    """

    now: pd.Timestamp
    keep: Mapping[str, pd.Timedelta] = field(default_factory=dict)
    entity_id: str = ""
    work_orders: frozenset[str] = frozenset()

    def removed(self, table: Table, frame: pd.DataFrame, withdrawals: Withdrawals) -> Mask:
        """Rows that go, shape (n,); of a table of standing facts the frame is the whole table."""
        gone = self._forgotten(table, frame)
        if table.name not in {QUARANTINE.name, WITHDRAWALS.name}:
            gone = gone | withdrawals.covers(frame)
        if table.name in self.keep:
            gone = gone | self._past(table, frame, self.now - self.keep[table.name])
        return gone

    def blanked(self, table: Table, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows that stay, without the id that is forgotten and without the words of withdrawals."""
        if table.name == WITHDRAWALS.name:
            return frame.assign(**{name: pd.Series(None, index=frame.index, dtype="str") for name in ("key", "reason")})
        if not self.entity_id:
            return frame
        blank = {
            name: frame[name].mask(np.asarray(frame[name] == self.entity_id))
            for name in ID_COLUMNS
            if name in frame.columns and bool((frame[name] == self.entity_id).any())
        }
        return frame.assign(**blank) if blank else frame

    def concerns(self, table: Table, frame: pd.DataFrame) -> bool:
        """Whether a row that stays would be blanked."""
        if table.name == WITHDRAWALS.name:
            return bool(frame["key"].notna().any() or frame["reason"].notna().any())
        names = [name for name in ID_COLUMNS if name in frame.columns]
        return bool(self.entity_id) and any(bool((frame[name] == self.entity_id).any()) for name in names)

    def _forgotten(self, table: Table, frame: pd.DataFrame) -> Mask:
        none = np.zeros(len(frame), dtype=bool)
        if not self.entity_id:
            return none
        if table.name == QUARANTINE.name:
            words = frame["record"].astype(str) + frame["detail"].astype(str)
            return np.asarray(words.str.contains(self.entity_id, regex=False), dtype=bool)
        if table.name == "parts_used":
            return np.asarray(frame["work_order_id"].isin(list(self.work_orders)), dtype=bool)
        owners = [name for name in ID_COLUMNS if name in frame.columns and self._owns(table, name)]
        for name in owners:
            none = none | np.asarray(frame[name] == self.entity_id, dtype=bool)
        return none

    def _owns(self, table: Table, name: str) -> bool:
        """Whether a row is a device's or customer's own: it cannot be without the id; a mere reference is blanked."""
        if table.name in OWN_KEYS:
            return OWN_KEYS[table.name] == name
        column = table.column(name)
        return table.name == "actions" or (column is not None and column.required)

    def _past(self, table: Table, frame: pd.DataFrame, limit: pd.Timestamp) -> Mask:
        clock = table.event_time or DATED.get(table.name)
        if clock is not None:
            moment = limit if frame[clock].dt.tz is not None else limit.tz_localize(None)
            return np.asarray(frame[clock] < moment, dtype=bool)
        known, last = frame["available_at"], ~frame.duplicated(list(table.key), keep="last").to_numpy()
        keys = pd.Series(hash_rows(frame, table.key))
        replaced = known.groupby(keys.to_numpy()).shift(-1)  # frames are sorted by key, then available_at
        gone = np.asarray(replaced < limit, dtype=bool)
        end = ENDS.get(table.name)
        if end is None:
            return gone
        over = keys.isin(keys[last & np.asarray(frame[end] < limit, dtype=bool)])
        return np.asarray(gone | over, dtype=bool)


def mentions(text: str, entity_id: str) -> bool:
    """Whether JSON text may name an id; it holds letters outside ASCII as numbers."""
    return entity_id in text or json.dumps(entity_id)[1:-1] in text
