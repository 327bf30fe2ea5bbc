"""Warranty: whether the device is covered and for how long still."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values
from aftercast.features.scope import Feature, Scope, number
from aftercast.features.view import FeatureView
from aftercast.operations.clocks import DAY_US, NEVER


def _features(scope: Scope) -> list[Feature]:  # noqa: ARG001 - every view takes the scope
    return [
        number("warranty_left_days", "d", "days of warranty left, not positive when over; missing when unknown"),
        number("in_warranty", "", "1 in warranty, 0 out of it; missing when unknown"),
    ]


def _compute(context: DeviceContext) -> dict[str, Values]:
    left = -context.age(context.fact(context.history.devices, "warranty_until", NEVER), DAY_US)
    covered = np.where(np.isnan(left), np.nan, (left > 0.0).astype(np.float64))
    return {"warranty_left_days": left, "in_warranty": covered}


VIEW = FeatureView[DeviceContext]("warranty", "device_id", _features, _compute)
