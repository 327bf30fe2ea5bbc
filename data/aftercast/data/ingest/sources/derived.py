"""What files leave out and other cells give: columns of one value, numbers of orders, devices named by events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from aftercast.data.contract import TABLES, Table
from aftercast.data.fleet import FleetSpec, TableSettings
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.operations.clocks import TIME_DTYPE

NUMBERED: Final = {"repairs": "work_order_id", "contacts": "contact_id", "actions": "action_id"}
"""Tables whose rows can be given a number, and the column of it."""
OWNERS: Final = ("device_id", "customer_id")
DERIVED: Final = ("devices", "customers")
"""Tables that rows of others can name."""


@dataclass
class Numbering:
    """Numbers of the rows of one import that have none: owner, time and a running number of both.

    The same rows get the same numbers again, whatever is added to a later export.
    """

    _given: Counter[str] = field(default_factory=Counter)

    def number(self, frame: pd.DataFrame, table: Table, zone: str) -> pd.DataFrame:
        """Return the frame with a number in each row that has none; times in it are those of the zone."""
        column = NUMBERED.get(table.name)
        clock = table.event_time
        owner = next((name for name in OWNERS if name in frame.columns), None)
        if column is None or clock is None or owner is None or clock not in frame.columns:
            return frame
        local = parse_cells(frame[clock], "time").values.dt.tz_convert(zone or "UTC")
        moments = local.dt.strftime("%Y-%m-%dT%H:%M").str.removesuffix("T00:00")
        names = (frame[owner].astype("str").str.strip() + "-" + moments.astype("str")).fillna("?")
        numbers = []
        for name in names:
            self._given[name] += 1
            numbers.append(f"{name}-{self._given[name]}")
        made = pd.Series(numbers, index=frame.index, dtype="str")
        own = (
            frame[column].astype("str") if column in frame.columns else pd.Series(pd.NA, index=frame.index, dtype="str")
        )
        return frame.assign(**{column: own.mask(own.str.strip() == "").fillna(made)})


def with_fixed(frame: pd.DataFrame, settings: TableSettings) -> pd.DataFrame:
    """Return the frame with the columns that the file lacks and the settings give."""
    return frame.assign(**{name: value for name, value in settings.fixed.items() if name not in frame.columns})


@dataclass
class Named:
    """Devices or customers that rows of other tables name, each once, as known since the first row that names it."""

    owner: str
    spec: FleetSpec
    _met: set[str] = field(default_factory=set)

    def by(self, batch: Batch) -> Iterator[Batch]:
        """Those that a batch names first of all batches of the import."""
        table, wanted = TABLES[batch.table], self.spec.table(self.owner).derived_from
        owner_id = TABLES[self.owner].key[0]
        if table.name not in wanted or table.event_time is None or owner_id not in batch.frame.columns:
            return
        ids = parse_cells(batch.frame[owner_id], "text").values
        times = parse_cells(batch.frame[table.event_time], "time").values
        first = times.groupby(ids).min().dropna()
        first = first[~first.index.isin(list(self._met))]
        if len(first) == 0:
            return
        self._met |= set(first.index)
        moments = pd.Series(first.to_numpy(), dtype=TIME_DTYPE)
        frame = pd.DataFrame({owner_id: pd.Series(list(first.index), dtype="str"), "available_at": moments})
        frame = frame.assign(since=moments) if self.owner == "customers" else frame.assign(installed_at="")
        frame = with_fixed(frame, self.spec.table(self.owner))
        if self.owner == "devices" and "device_model" not in frame.columns:
            frame["device_model"] = self.spec.name
        yield Batch(self.owner, frame, f"{self.owner} named by {batch.origin}", only_new=True)
