"""How much each counting sensor (hours, cycles) went up over trailing windows, resets allowed for."""

from __future__ import annotations

from aftercast.features.context import DeviceContext
from aftercast.features.scope import label, number
from aftercast.features.view import Columns, FeatureView
from aftercast.features.windows.events import last_value
from aftercast.features.windows.state import INCREASE
from aftercast.operations.clocks import HOUR_US


def _columns(context: DeviceContext) -> Columns:
    windows = context.scope.windows
    for sensor in context.scope.counters:
        unit = context.scope.unit(sensor)
        about = f"last reading of {sensor}; missing when there never was one"
        last = last_value(context.cells(sensor), context.offsets, context.cutoffs)
        yield number(f"{sensor}_last", unit, about), last
        grown = [context.windows(sensor, window, INCREASE).increase for window in windows]
        for window, rise in zip(windows, grown, strict=True):
            about = f"increase of {sensor} between the readings in {label(window)}; missing with fewer than two"
            yield number(f"{sensor}_increase_{label(window)}", unit, about), rise
        if len(windows) > 1:
            about = "increase per hour in the shortest window against the longest; missing when either is, or no use"
            slow = grown[-1] / (windows[-1] / HOUR_US)
            slow[slow == 0.0] = float("nan")
            pace = grown[0] / (windows[0] / HOUR_US) / slow
            yield number(f"{sensor}_pace_{label(windows[0])}", "", about), pace


VIEW = FeatureView[DeviceContext]("usage", "device_id", _columns)
