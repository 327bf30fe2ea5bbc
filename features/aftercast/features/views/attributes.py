"""Standing facts of the device in the version known at the cutoff: model, region, firmware, lot and open attributes."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext
from aftercast.features.scope import category, number
from aftercast.features.view import Columns, FeatureView

CONTRACT = ("device_model", "region", "firmware", "hardware_generation", "lot")


def _columns(context: DeviceContext) -> Columns:
    devices = context.history.devices
    for name in CONTRACT:
        about = f"{name.replace('_', ' ')}; missing when unknown"
        yield category(name, about), context.fact(devices, name, None)
    for name, kind in sorted(context.scope.attributes.items()):
        about = f"attribute {name} of the device; missing when unknown"
        if kind == "number":
            yield number(name, "", about), context.fact(devices, name, np.nan)
        else:
            yield category(name, about), context.fact(devices, name, None)


VIEW = FeatureView[DeviceContext]("attributes", "device_id", _columns)
