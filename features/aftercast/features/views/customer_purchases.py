"""Purchases: how recent, how many, how much in trailing windows, and the last window against the one before."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import CustomerContext, Values, values_of
from aftercast.features.scope import CUSTOMER_WINDOWS, Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.operations.clocks import DAY_US

SHORT_US, LONG_US = CUSTOMER_WINDOWS[1], CUSTOMER_WINDOWS[-1]


def _features(scope: Scope) -> list[Feature]:  # noqa: ARG001 - every view takes the scope
    found = [number("purchase_age_days", "d", "time since the last purchase; missing when there was none")]
    for name in map(label, CUSTOMER_WINDOWS):
        found.append(number(f"purchase_count_{name}", "purchases", f"purchases in {name}"))
        found.append(number(f"purchase_mean_{name}", "money", f"mean amount in {name}; missing without purchases"))
    about = f"purchases per time in {label(SHORT_US)} against {label(LONG_US)}; missing without purchases"
    return [
        *found,
        number("purchase_count_life", "purchases", "purchases so far"),
        number(f"purchase_pace_{label(SHORT_US)}", "", about),
    ]


def _compute(context: CustomerContext) -> dict[str, Values]:
    purchases = context.history.purchases
    found: dict[str, Values] = {}
    cells = values_of(purchases, "amount")
    for window in CUSTOMER_WINDOWS:
        rows = context.statistics(cells, window)
        found[f"purchase_count_{label(window)}"] = rows.records
        found[f"purchase_mean_{label(window)}"] = rows.mean
    usual = found[f"purchase_count_{label(LONG_US)}"] * SHORT_US / LONG_US
    recent = found[f"purchase_count_{label(SHORT_US)}"]
    found[f"purchase_pace_{label(SHORT_US)}"] = recent / np.where(usual > 0.0, usual, np.nan)
    found["purchase_count_life"] = context.count(purchases.visible)
    found["purchase_age_days"] = context.since_last(purchases.visible, DAY_US)
    return found


VIEW = FeatureView[CustomerContext]("customer_purchases", "customer_id", _features, _compute)
