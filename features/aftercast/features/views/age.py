"""Age of the device, age of each component since its last renewal, and failures of each so far."""

from __future__ import annotations

from typing import Final

import numpy as np

from aftercast.data.arrays import Ints
from aftercast.features.context import DeviceContext
from aftercast.features.failure_events import failures_of, renewals_of
from aftercast.features.scope import number
from aftercast.features.view import Columns, FeatureView
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER

EVER: Final = "failures_count_life"


def _columns(context: DeviceContext) -> Columns:
    history = context.history
    installed = context.fact(history.devices, "installed_at", NEVER)
    yield number("device_age_days", "d", "time since installation"), context.age(installed, DAY_US)
    for component in history.spec.components:
        name = component.name
        renewed = _renewed(context, name) if component.repairable else installed
        earlier = (renewed == NEVER) | ((installed != NEVER) & (renewed < installed))  # of a device that was replaced
        since = np.where(earlier, installed, renewed)
        about = f"time since {name} was last renewed by a repair or a failure, else since installation"
        yield number(f"{name}_age_hours", "h", about), context.age(since, HOUR_US)
        failures = context.count(failures_of(history, name))
        yield number(f"{name}_failures_life", "failures", f"failures of {name} so far"), failures
    yield number(EVER, "failures", "failures of any component so far"), context.count(failures_of(history))


def _renewed(context: DeviceContext, component: str) -> Ints:
    """Last renewal of a component at each cutoff, NEVER where there was none, shape (n,)."""
    failures = failures_of(context.history, component)
    repairs, done = renewals_of(context.history, component)
    both = [context.last(failures, failures.event), context.last(repairs, done)]
    latest = np.maximum(*(np.where(moment == NEVER, np.iinfo(np.int64).min, moment) for moment in both))
    return np.where(latest == np.iinfo(np.int64).min, NEVER, latest)


VIEW = FeatureView[DeviceContext]("age", "device_id", _columns)
