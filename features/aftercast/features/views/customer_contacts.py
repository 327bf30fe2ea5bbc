"""Contacts with service: counts by kind, satisfaction, and how long the customer was kept waiting."""

from __future__ import annotations

from aftercast.data.contract import CONTACT_KINDS
from aftercast.features.context import CustomerContext, values_of, where
from aftercast.features.failure_events import is_in
from aftercast.features.scope import CUSTOMER_WINDOWS, label, number
from aftercast.features.view import Columns, FeatureView
from aftercast.features.windows.events import last_value
from aftercast.operations.clocks import DAY_US

FORECASTS = {"csat": "", "nps": ""}
WAITS = {"first_response_minutes": "min", "resolution_hours": "h"}


def _columns(context: CustomerContext) -> Columns:
    contacts = context.history.contacts
    kinds = {kind: where(contacts, is_in(contacts.columns["kind"], (kind,))) for kind in CONTACT_KINDS}
    cells = {quantity: values_of(contacts, quantity) for quantity in (*FORECASTS, *WAITS)}
    for window in CUSTOMER_WINDOWS:
        name = label(window)
        for kind in CONTACT_KINDS:
            about = f"contacts of kind {kind} in {name}"
            yield number(f"{kind}_count_{name}", "contacts", about), context.count(kinds[kind], window)
        for quantity, unit in {**FORECASTS, **WAITS}.items():
            about = f"mean {quantity} of contacts in {name}; missing where never given"
            mean = context.statistics(cells[quantity], window).mean
            yield number(f"{quantity}_mean_{name}", unit, about), mean
    for score in FORECASTS:
        last = last_value(cells[score], context.offsets, context.cutoffs)
        yield number(f"{score}_last", "", f"last {score} given; missing when there was none"), last
    age = context.since_last(kinds["complaint"], DAY_US)
    yield number("complaint_age_days", "d", "time since the last complaint; missing when there was none"), age


VIEW = FeatureView[CustomerContext]("customer_contacts", "customer_id", _columns)
