"""Standing facts of the customer in the version known at the cutoff: tenure, segment, region, channel, language."""

from __future__ import annotations

import numpy as np

from aftercast.features.context import CustomerContext, Values
from aftercast.features.scope import Feature, Scope, category, number
from aftercast.features.view import FeatureView
from aftercast.operations.clocks import DAY_US, NEVER

CONTRACT = ("segment", "region", "channel", "language")


def _features(scope: Scope) -> list[Feature]:
    found = [number("tenure_days", "d", "time since the customer came")]
    found += [category(name, f"{name} of the customer; missing when unknown") for name in CONTRACT]
    for name, kind in sorted(scope.attributes.items()):
        about = f"attribute {name} of the customer; missing when unknown"
        found.append(number(name, "", about) if kind == "number" else category(name, about))
    return found


def _compute(context: CustomerContext) -> dict[str, Values]:
    customers = context.history.customers
    kinds = dict.fromkeys(CONTRACT, "category") | dict(context.scope.attributes)
    found = {name: context.fact(customers, name, np.nan if kind == "number" else None) for name, kind in kinds.items()}
    found["tenure_days"] = context.age(context.fact(customers, "since", NEVER), DAY_US)
    return found


VIEW = FeatureView[CustomerContext]("customer_standing", "customer_id", _features, _compute)
