"""What the customer lived through with the devices they own: failures, repairs, waiting, warranty."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import CustomerContext
from aftercast.features.failure_events import failure_records, is_in
from aftercast.features.ownership import Ownership, closing_days, ownership
from aftercast.features.scope import CUSTOMER_WINDOWS, label, number
from aftercast.features.view import Columns, FeatureView
from aftercast.features.windows.arrays import Cells, Visible, make_cells
from aftercast.operations.clocks import DAY_US, NEVER

REPEAT_US = 30 * DAY_US
COUNTED = {
    "failure": "failures of devices the customer owns",
    "corrective": "corrective work orders on them",
    "no_fault_found": "work orders on them without a fault found",
}


def _columns(context: CustomerContext) -> Columns:
    owned = ownership(context.history)
    items, closing = _items(context, owned)
    facts = context.history.devices.devices.columns
    versions = context.history.devices.devices
    began = np.where(facts["installed_at"] == NEVER, versions.available_us, facts["installed_at"])
    devices = context.count(owned.devices(began[owned.row]))
    expired = context.count(owned.devices(facts["warranty_until"][owned.row]))
    yield number("devices_count", "devices", "devices owned and in the field"), devices
    about = "share of the owned devices out of warranty; missing without devices"
    yield number("out_of_warranty_share", "", about), expired / np.where(devices > 0.0, devices, np.nan)
    about = "1 where two or more corrective work orders were opened in the last 30 days"
    repeated = np.where(context.count(items["corrective"], REPEAT_US) >= 2, 1.0, 0.0)
    yield number("repeat_repair_30d", "", about), repeated
    for window in CUSTOMER_WINDOWS:
        name = label(window)
        for what, about in COUNTED.items():
            yield number(f"{what}_count_{name}", "events", f"{about} in {name}"), context.count(items[what], window)
        about = f"mean time to close work orders opened in {name}; missing without closed ones"
        yield number(f"closing_mean_{name}", "d", about), context.statistics(closing, window).mean


def _items(context: CustomerContext, owned: Ownership) -> tuple[dict[str, Visible], Cells]:
    history = context.history.devices
    repairs = history.repairs
    failures, failed = failure_records(history.spec, history.failures, repairs)
    corrective = is_in(repairs.columns["kind"], ("corrective",))
    fruitless = is_in(repairs.columns["outcome"], ("no_fault_found",))
    every, rows = owned.records(repairs, np.ones(len(repairs.event_us), dtype=bool))
    closing = make_cells(every, closing_days(context.history)[rows], in_place=False)
    items = {
        "failure": owned.records(failures, failed)[0],
        "corrective": owned.records(repairs, corrective)[0],
        "no_fault_found": owned.records(repairs, fruitless)[0],
    }
    return items, closing


VIEW = FeatureView[CustomerContext]("customer_service", "customer_id", _columns)
