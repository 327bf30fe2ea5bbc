"""Purchases: how recent, how many, how much in trailing windows, and the last window against the one before."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import CustomerContext, values_of
from aftercast.features.scope import CUSTOMER_WINDOWS, label, number
from aftercast.features.view import Columns, FeatureView
from aftercast.operations.clocks import DAY_US

SHORT_US, LONG_US = CUSTOMER_WINDOWS[1], CUSTOMER_WINDOWS[-1]


def _columns(context: CustomerContext) -> Columns:
    purchases = context.history.purchases
    age = context.since_last(purchases.visible, DAY_US)
    yield number("purchase_age_days", "d", "time since the last purchase; missing when there was none"), age
    cells = values_of(purchases, "amount")
    windows = {window: context.statistics(cells, window) for window in CUSTOMER_WINDOWS}
    for window, rows in windows.items():
        name = label(window)
        yield number(f"purchase_count_{name}", "purchases", f"purchases in {name}"), rows.records
        yield number(f"purchase_mean_{name}", "money", f"mean amount in {name}; missing without purchases"), rows.mean
    yield number("purchase_count_life", "purchases", "purchases so far"), context.count(purchases.visible)
    about = f"purchases per time in {label(SHORT_US)} against {label(LONG_US)}; missing without purchases"
    usual = windows[LONG_US].records * SHORT_US / LONG_US
    pace = windows[SHORT_US].records / np.where(usual > 0.0, usual, np.nan)
    yield number(f"purchase_pace_{label(SHORT_US)}", "", about), pace


VIEW = FeatureView[CustomerContext]("customer_purchases", "customer_id", _columns)
