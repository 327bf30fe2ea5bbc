"""Fault codes: how many of each in trailing windows, and how long since the last one."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values, where
from aftercast.features.scope import Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.features.windows.arrays import Visible
from aftercast.operations.clocks import HOUR_US


def _features(scope: Scope) -> list[Feature]:
    found = []
    for code in (*scope.codes, "faults"):
        what = "fault codes of any kind" if code == "faults" else f"reports of {code}"
        windows = [(label(w), f"in {label(w)}") for w in scope.event_windows]
        if code == "faults":
            windows.append(("life", "ever"))
        found += [number(f"{code}_count_{name}", "reports", f"{what} {when}") for name, when in windows]
        found.append(number(f"{code}_age_hours", "h", f"time since the last of {what}; missing when there was none"))
    return found


def _compute(context: DeviceContext) -> dict[str, Values]:
    records = context.history.faults
    found: dict[str, Values] = {}
    for code in context.scope.codes:
        found |= _counts(context, code, where(records, np.equal(records.columns["code"], code)))
    found |= _counts(context, "faults", records.visible)
    found["faults_count_life"] = context.count(records.visible)
    return found


def _counts(context: DeviceContext, name: str, items: Visible) -> dict[str, Values]:
    counts: dict[str, Values] = {
        f"{name}_count_{label(window)}": context.count(items, window) for window in context.scope.event_windows
    }
    counts[f"{name}_age_hours"] = context.since_last(items, HOUR_US)
    return counts


VIEW = FeatureView[DeviceContext]("faults", "device_id", _features, _compute)
