"""Standing facts of the customer in the version known at the cutoff: tenure, segment, region, channel, language."""

from __future__ import annotations

from aftercast.features.context import CustomerContext
from aftercast.features.scope import category, number
from aftercast.features.view import Columns, FeatureView, attribute_columns
from aftercast.operations.clocks import DAY_US, NEVER

CONTRACT = ("segment", "region", "channel", "language")


def _columns(context: CustomerContext) -> Columns:
    customers = context.history.customers
    tenure = context.age(context.fact(customers, "since", NEVER), DAY_US)
    yield number("tenure_days", "d", "time since the customer came"), tenure
    for name in CONTRACT:
        yield category(name, f"{name} of the customer; missing when unknown"), context.fact(customers, name, None)
    yield from attribute_columns(context, customers, "customer")


VIEW = FeatureView[CustomerContext]("customer_standing", "customer_id", _columns)
