"""Silence: how long since the device last reported, and how much of its usual reporting still arrives."""

from __future__ import annotations

from typing import Final

import numpy as np

from aftercast.features.context import DeviceContext
from aftercast.features.scope import label, number
from aftercast.features.view import Columns, FeatureView
from aftercast.operations.clocks import HOUR_US, NEVER

AGE: Final = "telemetry_age_hours"


def _columns(context: DeviceContext) -> Columns:
    reports = context.history.telemetry.visible
    recent, usual = context.scope.windows[0], context.scope.windows[-1]
    age = context.since_last(reports, HOUR_US)
    yield number(AGE, "h", "time since the last report; missing when the device never reported"), age
    never = np.isnan(age).astype(np.float64)
    yield number("telemetry_never", "", "1 where the device never reported, else 0"), never
    installed = context.fact(context.history.devices, "installed_at", 0)
    installed = np.where(installed == NEVER, 0, installed)  # in the field for longer than anybody knows
    span = np.clip(context.cutoffs - installed, recent, usual)
    expected = context.count(reports, usual) * recent / span
    share = context.count(reports, recent) / np.where(expected > 0.0, expected, np.nan)
    about = f"reports per hour in {label(recent)} against {label(usual)} (less where the device is younger)"
    yield number(f"telemetry_share_{label(recent)}", "", f"{about}; missing without reports"), share


VIEW = FeatureView[DeviceContext]("silence", "device_id", _columns)
