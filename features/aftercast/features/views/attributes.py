"""Standing facts of the device in the version known at the cutoff: model, region, firmware, lot and open attributes."""

from __future__ import annotations

from aftercast.features.context import DeviceContext
from aftercast.features.scope import category
from aftercast.features.view import Columns, FeatureView, attribute_columns

CONTRACT = ("device_model", "region", "firmware", "hardware_generation", "lot")


def _columns(context: DeviceContext) -> Columns:
    devices = context.history.devices
    for name in CONTRACT:
        about = f"{name.replace('_', ' ')}; missing when unknown"
        yield category(name, about), context.fact(devices, name, None)
    yield from attribute_columns(context, devices, "device")


VIEW = FeatureView[DeviceContext]("attributes", "device_id", _columns)
