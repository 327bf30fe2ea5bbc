"""What a caller limited to outlets may bring: records of devices that these outlets look after, and nothing else.

Decided on ids as the store will have them, never on their spelling in the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.ingest import CheckedRecords, Refused, typed_columns, with_stored_ids
from aftercast.data.workspace import Workspace
from aftercast.operations.database.inbox import waiting_of
from aftercast.serving.predictions import visible
from aftercast.serving.principals import Caller

NO_DEVICE: Final = "unknown_device"
NO_CUSTOMER: Final = "unknown_customer"
ELSEWHERE: Final = "known_elsewhere"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reach:
    """Whom a caller limited to outlets sees, of the devices and customers that records name.

    Attributes
    ----------
    devices, customers
        Those that are stored and seen.
    """

    workspace: Workspace
    caller: Caller
    devices: frozenset[str]
    customers: frozenset[str]

    @classmethod
    def of(cls, workspace: Workspace, caller: Caller, rows: Sequence[Row]) -> Reach:
        """Look up what the rows name."""
        devices, customers = (
            sorted({each for row in rows if (each := row.get(name))}) for name in ("device_id", "customer_id")
        )
        return cls(
            workspace,
            caller,
            frozenset(visible(workspace, "failure", devices, caller) if devices else ()),
            frozenset(visible(workspace, "churn", customers, caller) if customers else ()),
        )

    def refused(self, table: str, rows: Sequence[Row], checked: CheckedRecords) -> dict[int, Refused]:
        """Rows that the caller may not bring, by their position: what exists elsewhere is as unknown as what does not.

        Parameters
        ----------
        rows
            With ids as stored, as ``with_stored_ids`` writes them.
        checked
            The same rows after the checks; what these refused is never stored.
        """
        if not TABLES[table].has("device_id"):
            return {i: _refused(table, i, NO_DEVICE, "device_id") for i in range(len(rows))}
        theirs = self._devices_to_bring(rows) if table == "devices" else self.devices
        key = TABLES[table].key
        elsewhere = set() if "device_id" in key else self._elsewhere(table, checked)
        found = {}
        for i, row in enumerate(rows):
            moved = table == "devices" and not self.caller.sees_outlet(row.get("outlet_id"))
            if row.get("customer_id") is not None and row["customer_id"] not in self.customers:
                found[i] = _refused(table, i, NO_CUSTOMER, "customer_id")
            elif row.get("device_id") not in theirs or moved:
                found[i] = _refused(table, i, NO_DEVICE, "device_id")
            elif i in elsewhere:
                found[i] = _refused(table, i, ELSEWHERE, key[0])
        return found

    def known(self, rows: Sequence[Row]) -> set[int]:
        """Rows about devices that are stored and seen, by their position."""
        return {i for i, row in enumerate(rows) if row.get("device_id") in self.devices}

    def _devices_to_bring(self, rows: Sequence[Row]) -> frozenset[str]:
        """Devices that are seen, and new ones; none that waits to be stored for another outlet."""
        # What waits is read before what is stored: a drain in between moves a record from the one to the other.
        others = [row for row in self._waiting("devices") if not self.caller.sees_outlet(row.get("outlet_id"))]
        ids = sorted({each for row in rows if (each := row.get("device_id"))})
        stored = set(self.workspace.store.read("devices", columns=["device_id"], device_ids=ids)["device_id"])
        return (self.devices | (frozenset(ids) - stored)) - {row.get("device_id") for row in others}

    def _elsewhere(self, table: str, checked: CheckedRecords) -> set[int]:
        """Rows under the key of a record, stored or waiting, that is not about a device of these outlets."""
        key = list(TABLES[table].key)
        columns = [*key, "device_id"]
        waiting = typed_columns(table, columns, self._waiting(table))  # before what is stored, as for devices
        stored = self.workspace.store.read(table, columns=columns)
        near = stored[stored[key[0]].isin(checked.frame[key[0]])]
        parts = [near, waiting]
        others = pd.concat([each for each in parts if len(each) > 0] or parts[:1], ignore_index=True)
        owners = sorted(set(others["device_id"].dropna()))
        theirs = self.devices | set(visible(self.workspace, "failure", owners, self.caller)) if owners else self.devices
        foreign = others.loc[~np.asarray(others["device_id"].isin(theirs), dtype=bool), key]
        taken = pd.MultiIndex.from_frame(checked.frame[key]).isin(pd.MultiIndex.from_frame(foreign))
        return {int(each) for each in checked.row[taken]}

    def _waiting(self, table: str) -> list[dict[str, Any]]:
        return with_stored_ids(table, waiting_of(self.workspace.database, table))


def _refused(table: str, row: int, reason: str, column: str) -> Refused:
    return Refused(table, row, reason, column, cell_only=False)
