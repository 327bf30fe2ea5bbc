"""Rhythm of the visits: how far apart they usually are, and when the next one would follow if the rhythm held.

Wear is often found, and parts are often replaced, at visits that follow a plan. The plan itself lies in the future and
is never read; its rhythm shows in the visits of the past.
"""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext
from aftercast.features.scope import number
from aftercast.features.view import Columns, FeatureView
from aftercast.operations.clocks import DAY_US

GAPS = 5


def _columns(context: DeviceContext) -> Columns:
    many = f"the last {GAPS} gaps between visits"
    visits = context.history.repairs.visible
    gap = context.median_gap(visits, GAPS) / DAY_US
    yield number("visit_gap_days", "d", f"median of {many}; missing with fewer than two visits"), gap
    about = f"time to the next visit in steps of the median of {many}; missing like it"
    yield number("visit_due_days", "d", about), gap - np.mod(context.since_last(visits, DAY_US), gap)


VIEW = FeatureView[DeviceContext]("rhythm", "device_id", _columns)
