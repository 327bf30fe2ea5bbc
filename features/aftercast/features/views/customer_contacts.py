"""Contacts with service: counts by kind, satisfaction, and how long the customer was kept waiting."""

from __future__ import annotations

from aftercast.features.context import CustomerContext, Values, values_of, where
from aftercast.features.failure_events import is_in
from aftercast.features.scope import CUSTOMER_WINDOWS, Feature, Scope, label, number
from aftercast.features.view import FeatureView
from aftercast.features.windows.events import last_value
from aftercast.operations.clocks import DAY_US

KINDS = ("complaint", "question", "repair_request", "survey")
SCORES = {"csat": "", "nps": ""}
WAITS = {"first_response_minutes": "min", "resolution_hours": "h"}


def _features(scope: Scope) -> list[Feature]:  # noqa: ARG001 - every view takes the scope
    found = []
    for name in map(label, CUSTOMER_WINDOWS):
        found += [number(f"{kind}_count_{name}", "contacts", f"contacts of kind {kind} in {name}") for kind in KINDS]
        found += [
            number(f"{quantity}_mean_{name}", unit, f"mean {quantity} of contacts in {name}; missing where never given")
            for quantity, unit in {**SCORES, **WAITS}.items()
        ]
    found += [number(f"{score}_last", "", f"last {score} given; missing when there was none") for score in SCORES]
    found.append(number("complaint_age_days", "d", "time since the last complaint; missing when there was none"))
    return found


def _compute(context: CustomerContext) -> dict[str, Values]:
    contacts = context.history.contacts
    kinds = {kind: where(contacts, is_in(contacts.columns["kind"], (kind,))) for kind in KINDS}
    cells = {quantity: values_of(contacts, quantity) for quantity in (*SCORES, *WAITS)}
    found: dict[str, Values] = {}
    for window in CUSTOMER_WINDOWS:
        found |= {f"{kind}_count_{label(window)}": context.count(kinds[kind], window) for kind in KINDS}
        for quantity, values in cells.items():
            found[f"{quantity}_mean_{label(window)}"] = context.statistics(values, window).mean
    found |= {f"{score}_last": last_value(cells[score], context.offsets, context.cutoffs) for score in SCORES}
    found["complaint_age_days"] = context.since_last(kinds["complaint"], DAY_US)
    return found


VIEW = FeatureView[CustomerContext]("customer_contacts", "customer_id", _features, _compute)
