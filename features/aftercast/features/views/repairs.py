"""Work orders: counts by kind, fruitless and repeated visits, time since the last one, and whether one is open."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values, where
from aftercast.features.failure_events import is_in
from aftercast.features.scope import Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.operations.clocks import DAY_US, NEVER

KINDS = ("corrective", "preventive", "proactive", "inspection")
REPEAT_US = 30 * DAY_US


def _features(scope: Scope) -> list[Feature]:
    found = []
    for name in map(label, scope.event_windows):
        found += [
            number(f"{kind}_count_{name}", "work orders", f"{kind} work orders opened in {name}") for kind in KINDS
        ]
    return [
        *found,
        number("repairs_count_life", "work orders", "work orders so far"),
        number("no_fault_found_count_life", "work orders", "work orders so far without a fault found"),
        number("repeat_repair_30d", "", "1 where two or more corrective work orders were opened in the last 30 days"),
        number("repair_age_days", "d", "time since the last work order was opened; missing when there was none"),
        number("open_orders_count", "work orders", "work orders opened and not known to be closed"),
    ]


def _compute(context: DeviceContext) -> dict[str, Values]:
    repairs = context.history.repairs
    kinds = {kind: where(repairs, is_in(repairs.columns["kind"], (kind,))) for kind in KINDS}
    found: dict[str, Values] = {
        f"{kind}_count_{label(window)}": context.count(kinds[kind], window)
        for window in context.scope.event_windows
        for kind in KINDS
    }
    fruitless = where(repairs, is_in(repairs.columns["outcome"], ("no_fault_found",)))
    found["repairs_count_life"] = context.count(repairs.visible)
    found["no_fault_found_count_life"] = context.count(fruitless)
    found["repeat_repair_30d"] = np.where(context.count(kinds["corrective"], REPEAT_US) >= 2, 1.0, 0.0)
    found["repair_age_days"] = context.since_last(repairs.visible, DAY_US)
    found["open_orders_count"] = context.count(where(repairs, repairs.columns["closed_at"] == NEVER))
    return found


VIEW = FeatureView[DeviceContext]("repairs", "device_id", _features, _compute)
