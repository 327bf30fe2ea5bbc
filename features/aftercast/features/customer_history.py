"""History of customers: their standing facts, purchases, contacts, and the history of the devices they own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.event_table import EventTable, event_table
from aftercast.features.history import AttributeKind, Frames, History, Reads, attributes_of, table_frame, unique_ids
from aftercast.operations.clocks import timestamp_us

CUSTOMER_TABLES: Final = ("customers", "purchases", "contacts")
SERVICE_TABLES: Final = ("devices", "failures", "repairs")
STANDING: Final = ("devices", "customers")
"""Tables whose withdrawn rows are read by nobody: who was never there has no cutoffs."""


@dataclass(frozen=True)
class CustomerHistory:
    """All known versions of the records of customers.

    Attributes
    ----------
    customer_ids
        Sorted, shape (c,); owner c of every table is ``customer_ids[c]``.
    customers, purchases, contacts
        Versions of the records of each customer.
    devices
        Failures and repairs of all devices, without telemetry; ownership is in their standing facts.
    attributes
        Attributes of customers beyond the contract's columns.
    """

    spec: FleetSpec
    customer_ids: npt.NDArray[np.str_]
    customers: EventTable
    purchases: EventTable
    contacts: EventTable
    devices: History
    attributes: Mapping[str, AttributeKind]

    @staticmethod
    def from_frames(spec: FleetSpec, frames: Frames) -> CustomerHistory:
        """Build the customer history of contract frames by table name; an absent table is an empty one."""
        customers = table_frame(frames, "customers")
        ids = unique_ids(customers["customer_id"])
        contacts = table_frame(frames, "contacts")
        contacts = contacts.drop(columns=["text"])
        return CustomerHistory(
            spec=spec,
            customer_ids=ids,
            customers=event_table(customers, ids, owner="customer_id", event="available_at"),
            purchases=event_table(
                _numbered(table_frame(frames, "purchases")),
                ids,
                owner="customer_id",
                event="event_time",
                key="purchase_id",
                moving=True,
                columns=["amount"],
            ),
            contacts=event_table(contacts, ids, owner="customer_id", event="event_time", key="contact_id", moving=True),
            devices=History.from_frames(spec, {name: frames[name] for name in SERVICE_TABLES if name in frames}),
            attributes=attributes_of(customers, "customers", spec),
        )

    def known_at(self, moment: pd.Timestamp) -> CustomerHistory:
        """History as it was known at a moment: rows with ``available_at`` at or before it."""
        tables = {name: getattr(self, name).known_at(timestamp_us(moment)) for name in CUSTOMER_TABLES}
        return replace(self, **tables, devices=self.devices.known_at(moment))


def _numbered(purchases: pd.DataFrame) -> pd.DataFrame:
    """Purchases that all have an id; of those without one a customer has one at an instant."""
    ids = purchases["purchase_id"]
    if not ids.isna().any():
        return purchases
    said = purchases["customer_id"].astype("str") + " " + purchases["event_time"].astype("str")
    return purchases.assign(purchase_id=ids.where(ids.notna(), said))


def load_customer_history(
    store: Reads, spec: FleetSpec, *, version: int | None = None, known_at: pd.Timestamp | None = None
) -> CustomerHistory:
    """History of all customers as a version of the store holds it."""
    frames = {
        table: store.read(table, version=version, known_at=known_at, withdrawn=table not in STANDING)
        for table in (*CUSTOMER_TABLES, *SERVICE_TABLES)
    }
    return CustomerHistory.from_frames(spec, frames)
