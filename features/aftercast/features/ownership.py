"""Records of devices seen by the customer who owns the device at the cutoff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from aftercast.data.arrays import Floats, Ints, Mask, Positions
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.event_table import EventTable
from aftercast.features.windows.arrays import Visible
from aftercast.operations.clocks import NEVER


@dataclass(frozen=True)
class Ownership:
    """Who owns which device from when until when, one row per version of a device that names a known customer.

    Attributes
    ----------
    customer, device
        Owner numbers in the customer history and in its device history, shape (m,).
    since, until
        Microseconds; owned and in the field at T iff ``since <= T < until``.
    row
        Row of the version in the table of devices.
    """

    customers: int
    customer: Ints
    device: Ints
    since: Ints
    until: Ints
    row: Positions

    def records(self, records: EventTable, mask: Mask) -> tuple[Visible, Positions]:
        """Versions of device records where mask is true, by owning customer in event order, and their rows."""
        chosen = np.flatnonzero(mask)
        left = pd.DataFrame({"device": records.owner[chosen], "record": chosen})
        right = pd.DataFrame({"device": self.device, "version": np.arange(len(self.device))})
        pairs = left.merge(right, on="device")
        record, version = pairs["record"].to_numpy(), pairs["version"].to_numpy()
        visible = records.visible
        return self._sorted(
            version,
            visible.event[record],
            np.maximum(visible.since[record], self.since[version]),
            np.minimum(visible.until[record], self.until[version]),
            record,
        )

    def devices(self, event: Ints) -> Visible:
        """Owned devices as records: each happens at the time given for its version, shape (m,), or never (NEVER)."""
        version = np.flatnonzero(event != NEVER)
        since = np.maximum(self.since[version], event[version])
        return self._sorted(version, event[version], since, self.until[version], version)[0]

    def _sorted(
        self, version: Positions, event: Ints, since: Ints, until: Ints, rows: Positions
    ) -> tuple[Visible, Positions]:
        customer = self.customer[version]
        order = np.lexsort((since, rows, event, customer))
        offsets = np.searchsorted(customer[order], np.arange(self.customers + 1)).astype(np.int64)
        return Visible(offsets, event[order], since[order], until[order]), rows[order]


def ownership(history: CustomerHistory) -> Ownership:
    """Ownership in the versions of the devices; a device counts while installed and not retired."""
    devices = history.devices.devices
    facts = devices.columns
    names = pd.Index(history.customer_ids.astype(object))
    customer = names.get_indexer(pd.Index(facts["customer_id"], dtype=object))
    row = np.flatnonzero(customer >= 0)
    until = np.full(len(customer), NEVER, dtype=np.int64)
    same = devices.owner[1:] == devices.owner[:-1]
    until[:-1][same] = devices.available_us[1:][same]
    installed = np.where(facts["installed_at"] == NEVER, devices.available_us, facts["installed_at"])
    return Ownership(
        customers=len(history.customer_ids),
        customer=customer[row].astype(np.int64),
        device=devices.owner[row],
        since=np.maximum(devices.available_us, installed)[row],
        until=np.minimum(until, facts["retired_at"])[row],
        row=row,
    )


def closing_days(history: CustomerHistory) -> Floats:
    """Days from opening to closing of each work order version, NaN while open, shape (n,)."""
    repairs = history.devices.repairs
    closed = repairs.columns["closed_at"]
    days = (np.where(closed == NEVER, 0, closed) - repairs.event_us) / 86_400_000_000
    return np.where(closed == NEVER, np.nan, days)
