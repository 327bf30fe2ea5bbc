"""How far each sensor's recent mean lies from the device's own longer past, in units of its own spread."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext
from aftercast.features.scope import label, number
from aftercast.features.view import Columns, FeatureView


def _columns(context: DeviceContext) -> Columns:
    *shorter, longest = context.scope.windows
    long = label(longest)
    for sensor in context.scope.levels:
        past = context.shared_windows(sensor, longest)
        spread = np.where(past.std > 0.0, past.std, np.nan)
        for window in shorter:
            name = label(window)
            about = f"(mean in {name} - mean in {long}) / std in {long}; missing without spread or readings"
            recent = context.shared_windows(sensor, window)
            yield number(f"{sensor}_deviation_{name}", f"std over {long}", about), (recent.mean - past.mean) / spread


VIEW = FeatureView[DeviceContext]("deviation", "device_id", _columns)
