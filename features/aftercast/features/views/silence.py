"""Silence: how long since the device last reported, and how much of its usual reporting still arrives."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values
from aftercast.features.scope import Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.operations.clocks import HOUR_US


def _features(scope: Scope) -> list[Feature]:
    recent, usual = label(scope.windows[0]), label(scope.windows[-1])
    about = f"reports per hour in {recent} against {usual} (less where the device is younger); missing without reports"
    return [
        number("telemetry_age_hours", "h", "time since the last report; missing when the device never reported"),
        number("telemetry_never", "", "1 where the device never reported, else 0"),
        number(f"telemetry_share_{recent}", "", about),
    ]


def _compute(context: DeviceContext) -> dict[str, Values]:
    reports = context.history.telemetry.visible
    recent, usual = context.scope.windows[0], context.scope.windows[-1]
    age = context.since_last(reports, HOUR_US)
    installed = context.fact(context.history.devices, "installed_at", 0)
    span = np.clip(context.cutoffs - installed, recent, usual)
    expected = context.count(reports, usual) * recent / span
    share = context.count(reports, recent) / np.where(expected > 0.0, expected, np.nan)
    return {
        "telemetry_age_hours": age,
        "telemetry_never": np.isnan(age).astype(np.float64),
        f"telemetry_share_{label(recent)}": share,
    }


VIEW = FeatureView[DeviceContext]("silence", "device_id", _features, _compute)
