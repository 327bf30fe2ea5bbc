"""Age of the device, age of each component since its last renewal, and failures of each so far."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import DeviceContext, Values
from aftercast.features.failure_events import failures_of, renewals_of
from aftercast.features.scope import Feature, Scope, number
from aftercast.features.view import FeatureView
from aftercast.features.windows.arrays import Ints
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER


def _features(scope: Scope) -> list[Feature]:
    found = [number("device_age_days", "d", "time since installation")]
    for component in scope.spec.component_names:
        about = f"time since {component} was last renewed by a repair or a failure, else since installation"
        found.append(number(f"{component}_age_hours", "h", about))
        found.append(number(f"{component}_failures_life", "failures", f"failures of {component} so far"))
    found.append(number("failures_count_life", "failures", "failures of any component so far"))
    return found


def _compute(context: DeviceContext) -> dict[str, Values]:
    history = context.history
    installed = context.fact(history.devices, "installed_at", NEVER)
    found: dict[str, Values] = {"device_age_days": context.age(installed, DAY_US)}
    for component in history.spec.components:
        renewed = _renewed(context, component.name) if component.repairable else installed
        since = np.where(renewed == NEVER, installed, renewed)
        found[f"{component.name}_age_hours"] = context.age(since, HOUR_US)
        found[f"{component.name}_failures_life"] = context.count(failures_of(history, component.name))
    found["failures_count_life"] = context.count(failures_of(history))
    return found


def _renewed(context: DeviceContext, component: str) -> Ints:
    """Last renewal of a component at each cutoff, NEVER where there was none, shape (n,)."""
    failures = failures_of(context.history, component)
    repairs, done = renewals_of(context.history, component)
    both = [context.last(failures, failures.event), context.last(repairs, done)]
    latest = np.maximum(*(np.where(moment == NEVER, np.iinfo(np.int64).min, moment) for moment in both))
    return np.where(latest == np.iinfo(np.int64).min, NEVER, latest)


VIEW = FeatureView[DeviceContext]("age", "device_id", _features, _compute)
