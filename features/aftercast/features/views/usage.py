"""How much each counting sensor (hours, cycles) went up over trailing windows, resets allowed for."""

from __future__ import annotations

from aftercast.features.context import DeviceContext, Values
from aftercast.features.scope import Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.features.windows.events import last_value
from aftercast.features.windows.state import INCREASE
from aftercast.operations.clocks import HOUR_US


def _features(scope: Scope) -> list[Feature]:
    found: list[Feature] = []
    for sensor in scope.counters:
        unit = scope.unit(sensor)
        found.append(number(f"{sensor}_last", unit, f"last reading of {sensor}; missing when there never was one"))
        for window in map(label, scope.windows):
            about = f"increase of {sensor} between the readings in {window}; missing with fewer than two"
            found.append(number(f"{sensor}_increase_{window}", unit, about))
        if len(scope.windows) > 1:
            about = "increase per hour in the shortest window against the longest; missing when either is, or no use"
            found.append(number(f"{sensor}_pace_{label(scope.windows[0])}", "", about))
    return found


def _compute(context: DeviceContext) -> dict[str, Values]:
    found: dict[str, Values] = {}
    windows = context.scope.windows
    for sensor in context.scope.counters:
        found[f"{sensor}_last"] = last_value(context.cells(sensor), context.offsets, context.cutoffs)
        grown = [context.windows(sensor, window, INCREASE).increase for window in windows]
        found |= {f"{sensor}_increase_{label(window)}": rise for window, rise in zip(windows, grown, strict=True)}
        if len(windows) > 1:
            slow = grown[-1] / (windows[-1] / HOUR_US)
            slow[slow == 0.0] = float("nan")
            found[f"{sensor}_pace_{label(windows[0])}"] = grown[0] / (windows[0] / HOUR_US) / slow
    return found


VIEW = FeatureView[DeviceContext]("usage", "device_id", _features, _compute)
