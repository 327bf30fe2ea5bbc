"""Level of each sensor over trailing windows: mean, std, min, max, trend, exponential mean, last value."""

from __future__ import annotations

from aftercast.features.context import DeviceContext, Values
from aftercast.features.scope import Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.features.windows.events import last_value

STATISTICS = {"mean": "mean", "std": "std", "min": "low", "max": "high"}


def _features(scope: Scope) -> list[Feature]:
    found: list[Feature] = []
    for sensor in scope.levels:
        unit = scope.unit(sensor)
        for window in map(label, scope.windows):
            found += [
                number(f"{sensor}_{name}_{window}", unit, f"{name} of {sensor} in {window}; missing without readings")
                for name in STATISTICS
            ]
        trend, half_life = label(scope.trend_window), label(scope.half_life)
        about = f"least-squares slope of {sensor} in {trend}; missing with fewer than two readings"
        found.append(number(f"{sensor}_trend_{trend}", f"{unit}/h", about))
        about = f"mean of {sensor} with weights halved every {half_life}; missing without readings in 7 half-lives"
        found.append(number(f"{sensor}_expmean_{half_life}", unit, about))
        found.append(number(f"{sensor}_last", unit, f"last reading of {sensor}; missing when there never was one"))
    return found


def _compute(context: DeviceContext) -> dict[str, Values]:
    found: dict[str, Values] = {}
    scope = context.scope
    for sensor in scope.levels:
        for window in scope.windows:
            statistics = context.shared_windows(sensor, window)._asdict()
            found |= {f"{sensor}_{name}_{label(window)}": statistics[row] for name, row in STATISTICS.items()}
        trend = context.shared_windows(sensor, scope.trend_window)
        decayed = context.shared_windows(sensor, scope.look_back)
        found[f"{sensor}_trend_{label(scope.trend_window)}"] = trend.trend
        found[f"{sensor}_expmean_{label(scope.half_life)}"] = decayed.decayed
        found[f"{sensor}_last"] = last_value(context.cells(sensor), context.offsets, context.cutoffs)
    return found


VIEW = FeatureView[DeviceContext]("rolling", "device_id", _features, _compute)
