"""Level of each sensor over trailing windows: mean, std, min, max, trend, exponential mean, last value."""

from __future__ import annotations

from aftercast.features.context import DeviceContext
from aftercast.features.scope import label, number
from aftercast.features.view import Columns, FeatureView
from aftercast.features.windows.events import last_value

STATISTICS = {"mean": "mean", "std": "std", "min": "low", "max": "high"}


def _columns(context: DeviceContext) -> Columns:
    scope = context.scope
    trend_name, half_life = label(scope.trend_window), label(scope.half_life)
    for sensor in scope.levels:
        unit = scope.unit(sensor)
        for window in scope.windows:
            name, found = label(window), context.shared_windows(sensor, window)._asdict()
            for statistic, row in STATISTICS.items():
                about = f"{statistic} of {sensor} in {name}; missing without readings"
                yield number(f"{sensor}_{statistic}_{name}", unit, about), found[row]
        about = f"least-squares slope of {sensor} in {trend_name}; missing with fewer than two readings"
        trend = context.shared_windows(sensor, scope.trend_window).trend
        yield number(f"{sensor}_trend_{trend_name}", f"{unit}/h", about), trend
        about = f"mean of {sensor} with weights halved every {half_life}; missing without readings in 7 half-lives"
        decayed = context.shared_windows(sensor, scope.look_back).decayed
        yield number(f"{sensor}_expmean_{half_life}", unit, about), decayed
        about = f"last reading of {sensor}; missing when there never was one"
        last = last_value(context.cells(sensor), context.offsets, context.cutoffs)
        yield number(f"{sensor}_last", unit, about), last


VIEW = FeatureView[DeviceContext]("rolling", "device_id", _columns)
