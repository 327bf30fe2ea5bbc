"""How far each sensor's recent mean lies from the device's own longer past, in units of its own spread."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values
from aftercast.features.scope import Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.features.windows.arrays import Floats
from aftercast.features.windows.state import OUT_MEAN, OUT_STD


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


def _deviation(recent: Floats, past: Floats) -> Floats:
    spread = np.where(past[OUT_STD] > 0.0, past[OUT_STD], np.nan)
    return np.asarray((recent[OUT_MEAN] - past[OUT_MEAN]) / spread)


VIEW = FeatureView[DeviceContext]("deviation", "device_id", _features, _compute)
