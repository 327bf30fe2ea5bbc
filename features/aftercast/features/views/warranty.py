"""Warranty: whether the device is covered and for how long still."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext
from aftercast.features.scope import number
from aftercast.features.view import Columns, FeatureView
from aftercast.operations.clocks import DAY_US, NEVER


def _columns(context: DeviceContext) -> Columns:
    left = -context.age(context.fact(context.history.devices, "warranty_until", NEVER), DAY_US)
    about = "days of warranty left, not positive when over; missing when unknown"
    yield number("warranty_left_days", "d", about), left
    covered = np.where(np.isnan(left), np.nan, (left > 0.0).astype(np.float64))
    yield number("in_warranty", "", "1 in warranty, 0 out of it; missing when unknown"), covered


VIEW = FeatureView[DeviceContext]("warranty", "device_id", _columns)
