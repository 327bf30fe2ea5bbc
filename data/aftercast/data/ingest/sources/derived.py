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
from aftercast.operations.clocks import LATEST

NUMBERED: Final = {"repairs": "work_order_id", "contacts": "contact_id", "actions": "action_id"}
"""Tables whose rows can be given a number, and the column of it."""
OWNERS: Final = ("device_id", "customer_id")


@dataclass
class Numbering:
    """Numbers of the rows of one import that have none: owner, time and a running number of both.

    The same rows get the same numbers again, whatever is added to a later export.
    """

    _given: Counter[str] = field(default_factory=Counter)

    def number(self, frame: pd.DataFrame, table: Table) -> pd.DataFrame:
        """Return the frame with a number in each row that has none."""
        column = NUMBERED.get(table.name)
        clock = table.event_time
        owner = next((name for name in OWNERS if name in frame.columns), None)
        if column is None or clock is None or owner is None or clock not in frame.columns:
            return frame
        moments = parse_cells(frame[clock], "time").values.dt.strftime("%Y-%m-%dT%H:%M").str.removesuffix("T00:00")
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
class Devices:
    """Devices that rows of other tables name, each once, as known since the first row that names it."""

    spec: FleetSpec
    _first: dict[str, pd.Timestamp] = field(default_factory=dict)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Tables whose rows name the devices."""
        return self.spec.tables["devices"].derived_from if "devices" in self.spec.tables else ()

    def named_by(self, batch: Batch) -> Iterator[Batch]:
        """Devices that a batch names for the first time, or earlier than any batch before it."""
        table = TABLES[batch.table]
        if table.name not in self.wanted or table.event_time not in batch.frame.columns:
            return
        ids = parse_cells(batch.frame["device_id"], "text").values
        times = parse_cells(batch.frame[table.event_time], "time").values
        first = times.groupby(ids).min().dropna()
        new = {str(name): time for name, time in first.items() if time < self._first.get(str(name), LATEST)}
        if not new:
            return
        self._first |= new
        frame = pd.DataFrame({"device_id": pd.Series(list(new), dtype="str"), "available_at": list(new.values())})
        settings = self.spec.table("devices")
        frame = with_fixed(frame, settings)
        frame = frame.assign(installed_at="") if "installed_at" not in frame.columns else frame
        if "device_model" not in frame.columns:
            frame["device_model"] = self.spec.name
        yield Batch("devices", frame, f"devices named by {batch.origin}")
