"""Rhythm of the visits: how far apart they usually are, and when the next one would follow if the rhythm held.

Wear is often found, and parts are often replaced, at visits that follow a plan. The plan itself lies in the future and
is never read; its rhythm shows in the visits of the past.
"""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values
from aftercast.features.scope import Feature, Scope, number
from aftercast.features.view import FeatureView
from aftercast.features.windows.events import median_gap
from aftercast.operations.clocks import DAY_US

GAPS = 5


def _features(_: Scope) -> list[Feature]:
    many = f"the last {GAPS} gaps between visits"
    return [
        number("visit_gap_days", "d", f"median of {many}; missing with fewer than two visits"),
        number("visit_due_days", "d", f"time to the next visit in steps of the median of {many}; missing like it"),
    ]


def _compute(context: DeviceContext) -> dict[str, Values]:
    visits = context.history.repairs.visible
    gap = median_gap(visits, context.offsets, context.cutoffs, GAPS) / DAY_US
    since = context.since_last(visits, DAY_US)
    return {"visit_gap_days": gap, "visit_due_days": gap - np.mod(since, gap)}


VIEW = FeatureView[DeviceContext]("rhythm", "device_id", _features, _compute)
