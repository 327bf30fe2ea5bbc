"""Work orders: counts by kind, fruitless and repeated visits, time since the last one, and whether one is open."""

from __future__ import annotations

from typing import Final

import numpy as np

from aftercast.data.contract import REPAIR_KINDS
from aftercast.features.context import DeviceContext, where
from aftercast.features.failure_events import is_in
from aftercast.features.scope import label, number
from aftercast.features.view import Columns, FeatureView
from aftercast.operations.clocks import DAY_US, NEVER

REPEAT_US = 30 * DAY_US
EVER: Final = "repairs_count_life"


def _columns(context: DeviceContext) -> Columns:
    repairs = context.history.repairs
    kinds = {kind: where(repairs, is_in(repairs.columns["kind"], (kind,))) for kind in REPAIR_KINDS}
    for window in context.scope.event_windows:
        name = label(window)
        for kind in REPAIR_KINDS:
            feature = number(f"{kind}_count_{name}", "work orders", f"{kind} work orders opened in {name}")
            yield feature, context.count(kinds[kind], window)
    yield number(EVER, "work orders", "work orders so far"), context.count(repairs.visible)
    about = "work orders so far without a fault found"
    fruitless = where(repairs, is_in(repairs.columns["outcome"], ("no_fault_found",)))
    yield number("no_fault_found_count_life", "work orders", about), context.count(fruitless)
    about = "1 where two or more corrective work orders were opened in the last 30 days"
    repeated = np.where(context.count(kinds["corrective"], REPEAT_US) >= 2, 1.0, 0.0)
    yield number("repeat_repair_30d", "", about), repeated
    about = "time since the last work order was opened; missing when there was none"
    yield number("repair_age_days", "d", about), context.since_last(repairs.visible, DAY_US)
    about = "work orders opened and not known to be closed"
    still_open = where(repairs, repairs.columns["closed_at"] == NEVER)
    yield number("open_orders_count", "work orders", about), context.count(still_open)


VIEW = FeatureView[DeviceContext]("repairs", "device_id", _columns)
