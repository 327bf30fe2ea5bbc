"""Standing facts of the device in the version known at the cutoff: model, region, firmware, lot and open attributes."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values
from aftercast.features.scope import Feature, Scope, category, number
from aftercast.features.view import FeatureView

CONTRACT = ("device_model", "region", "firmware", "hardware_generation", "lot")


def _features(scope: Scope) -> list[Feature]:
    found = [category(name, f"{name.replace('_', ' ')}; missing when unknown") for name in CONTRACT]
    for name, kind in sorted(scope.attributes.items()):
        about = f"attribute {name} of the device; missing when unknown"
        found.append(number(name, "", about) if kind == "number" else category(name, about))
    return found


def _compute(context: DeviceContext) -> dict[str, Values]:
    devices = context.history.devices
    kinds = dict.fromkeys(CONTRACT, "category") | dict(context.scope.attributes)
    return {name: context.fact(devices, name, np.nan if kind == "number" else None) for name, kind in kinds.items()}


VIEW = FeatureView[DeviceContext]("attributes", "device_id", _features, _compute)
