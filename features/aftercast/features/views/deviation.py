"""How far each sensor's recent mean lies from the device's own longer past, in units of its own spread."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values
from aftercast.features.scope import Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.features.windows.arrays import Floats
from aftercast.features.windows.state import Statistics


def _features(scope: Scope) -> list[Feature]:
    long = label(scope.windows[-1])
    return [
        number(
            f"{sensor}_deviation_{label(window)}",
            f"std over {long}",
            f"(mean in {label(window)} - mean in {long}) / std in {long}; missing without spread or readings",
        )
        for sensor in scope.levels
        for window in scope.windows[:-1]
    ]


def _compute(context: DeviceContext) -> dict[str, Values]:
    *shorter, longest = context.scope.windows
    return {
        f"{sensor}_deviation_{label(window)}": _deviation(
            context.shared_windows(sensor, window), context.shared_windows(sensor, longest)
        )
        for sensor in context.scope.levels
        for window in shorter
    }


def _deviation(recent: Statistics, past: Statistics) -> Floats:
    spread = np.where(past.std > 0.0, past.std, np.nan)
    return np.asarray((recent.mean - past.mean) / spread)


VIEW = FeatureView[DeviceContext]("deviation", "device_id", _features, _compute)
