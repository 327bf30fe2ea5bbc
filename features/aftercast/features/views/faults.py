"""Fault codes: how many of each in trailing windows, and how long since the last one."""

from __future__ import annotations

from typing import Final

import numpy as np

from aftercast.features.context import DeviceContext, Values, where
from aftercast.features.scope import Feature, label, number
from aftercast.features.view import Columns, FeatureView
from aftercast.features.windows.arrays import Visible
from aftercast.operations.clocks import HOUR_US

EVER: Final = "faults_count_life"


def _columns(context: DeviceContext) -> Columns:
    records = context.history.faults
    for code in context.scope.codes:
        items = where(records, np.equal(records.columns["code"], code))
        yield from _counts(context, code, f"reports of {code}", items)
        yield _age(context, code, f"reports of {code}", items)
    every = "fault codes of any kind"
    yield from _counts(context, "faults", every, records.visible)
    yield number(EVER, "reports", f"{every} ever"), context.count(records.visible)
    yield _age(context, "faults", every, records.visible)


def _counts(context: DeviceContext, name: str, what: str, items: Visible) -> Columns:
    for window in context.scope.event_windows:
        feature = number(f"{name}_count_{label(window)}", "reports", f"{what} in {label(window)}")
        yield feature, context.count(items, window)


def _age(context: DeviceContext, name: str, what: str, items: Visible) -> tuple[Feature, Values]:
    about = f"time since the last of {what}; missing when there was none"
    return number(f"{name}_age_hours", "h", about), context.since_last(items, HOUR_US)


VIEW = FeatureView[DeviceContext]("faults", "device_id", _columns)
