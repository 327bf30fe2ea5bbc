"""Promises that every discovered view keeps; a new view is picked up here without a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.features.build import build_customer_features, build_device_features
from aftercast.features.context import Context, CustomerContext, DeviceContext
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.dictionary import declared, discovered_views, feature_dictionary
from aftercast.features.examples import Examples, customer_examples, device_examples
from aftercast.features.history import Frames, History
from aftercast.features.scope import Scope
from aftercast.features.view import FeatureView
from aftercast.operations.clocks import HOUR_US, timestamp_us

Frame = Callable[..., pd.DataFrame]
VIEWS = discovered_views()
every_view = pytest.mark.parametrize("view", VIEWS, ids=[view.name for view in VIEWS])


@pytest.fixture(scope="module")
def frames(frame: Frame, devices: Any) -> dict[str, pd.DataFrame]:
    """Six devices of two customers; the last device has no record at all besides its own row."""
    random = np.random.default_rng(0)
    readings = [(d, h, float(random.normal()), float(h)) for d in "abcde" for h in range(100)]
    orders = [
        ("w1", "a", 20, 30, 40, "corrective", "pump", "replaced"),
        ("w2", "b", 50, None, 50, "inspection", None, None),
    ]
    contacts = [("k", "c1", 30, "complaint", 5.0, 2.0), ("l", "c1", 60, "survey", None, None)]
    return {
        "devices": devices(*"abcdef").assign(load=np.arange(6.0), site=list("xyxyxy")),
        "telemetry": frame("device_id event_time volt hours", readings),
        "faults": frame("device_id event_time code", [("a", 10, "E1"), ("b", 50, "E9")]),
        "failures": frame("device_id event_time component", [("a", 20, "pump")]),
        "repairs": frame("work_order_id device_id opened_at closed_at available_at kind component outcome", orders),
        "customers": frame("customer_id since", [("c1", -500), ("c2", -400)]),
        "purchases": frame("customer_id event_time amount", [("c1", 1, 20.0), ("c1", 80, 30.0)]),
        "contacts": frame("contact_id customer_id event_time kind csat resolution_hours", contacts),
    }


def context_of(spec: FleetSpec, frames: Frames, view: FeatureView[Any], cutoffs: list[int]) -> Context:
    if view.grain == "device_id":
        history = History.from_frames(spec, frames)
        examples = device_examples(history, cutoffs)
        scope = Scope(spec, history.attributes)
        return DeviceContext(examples, scope, examples.offsets(history.device_ids), history)
    customers = CustomerHistory.from_frames(spec, frames)
    examples = customer_examples(customers, cutoffs)
    scope = Scope(spec, customers.attributes)
    return CustomerContext(examples, scope, examples.offsets(customers.customer_ids), customers)


@pytest.fixture(scope="module")
def cutoffs(at: Any) -> list[int]:
    return [timestamp_us(at(hour)) for hour in (0, 50, 99)]


@every_view
def test_a_view_computes_exactly_what_it_declares(
    spec: FleetSpec, frames: Any, cutoffs: list[int], view: FeatureView[Any]
) -> None:
    context = context_of(spec, frames, view, cutoffs)
    values = view.compute(context)
    assert [feature.name for feature in declared(view, context.scope)] == list(values)
    assert {array.shape for array in values.values()} == {(len(context.examples),)}


@every_view
def test_a_view_computes_the_same_twice_and_row_by_row(
    spec: FleetSpec, frames: Any, cutoffs: list[int], view: FeatureView[Any]
) -> None:
    whole = pd.DataFrame(view.compute(context_of(spec, frames, view, cutoffs)))
    again = pd.DataFrame(view.compute(context_of(spec, frames, view, cutoffs)))
    pd.testing.assert_frame_equal(whole, again, check_exact=True)
    single = context_of(spec, frames, view, cutoffs[1:2])
    rows = context_of(spec, frames, view, cutoffs).cutoffs == cutoffs[1]
    alone = pd.DataFrame(view.compute(single))
    pd.testing.assert_frame_equal(whole[rows].reset_index(drop=True), alone, check_exact=True)


@every_view
def test_a_view_yields_numbers_or_missing_but_nothing_infinite(
    spec: FleetSpec, frames: Any, cutoffs: list[int], view: FeatureView[Any]
) -> None:
    context = context_of(spec, frames, view, cutoffs)
    values = view.compute(context)
    for feature in declared(view, context.scope):
        if feature.kind == "number":
            assert not np.isinf(values[feature.name].astype(np.float64)).any(), feature.name
        else:
            assert all(value is None or isinstance(value, str) for value in values[feature.name])


@every_view
def test_a_view_accepts_no_examples_and_no_records(spec: FleetSpec, frames: Any, view: FeatureView[Any]) -> None:
    for tables, cutoffs in (({}, [0]), (frames, [])):
        values = view.compute(context_of(spec, tables, view, cutoffs))
        assert {len(array) for array in values.values()} == {0}


@every_view
def test_every_feature_says_what_it_is(spec: FleetSpec, view: FeatureView[Any]) -> None:
    for feature in declared(view, Scope(spec)):
        assert feature.about
        assert feature.view == view.name
        assert "customer_id" not in feature.name


def test_frames_have_the_columns_of_the_dictionary_in_its_order(
    spec: FleetSpec, frames: Any, cutoffs: list[int]
) -> None:
    history, customers = History.from_frames(spec, frames), CustomerHistory.from_frames(spec, frames)
    device_rows, customer_rows = device_examples(history, cutoffs), customer_examples(customers, cutoffs)
    built = build_device_features(history, device_rows)
    assert list(built) == [f.name for f in feature_dictionary(spec, "device_id", history.attributes)]
    by_customer = build_customer_features(customers, customer_rows)
    assert list(by_customer) == [f.name for f in feature_dictionary(spec, "customer_id", customers.attributes)]
    assert {str(dtype) for dtype in built.dtypes} == {"float32", "category"}


def test_a_fleet_without_sensors_components_or_codes_has_features(frames: Any, cutoffs: list[int]) -> None:
    history = History.from_frames(FleetSpec(name="bare"), frames)
    built = build_device_features(history, device_examples(history, cutoffs))
    assert built["device_age_days"].notna().all()


def test_a_device_without_any_record_is_described_by_its_standing_facts(
    spec: FleetSpec, frames: Any, cutoffs: list[int]
) -> None:
    built = build_device_features(History.from_frames(spec, frames), Examples.of(["f"], cutoffs[1:2])).iloc[0]
    assert (built["device_model"], built["load"], built["site"], built["faults_count_life"]) == ("M1", 5.0, "y", 0.0)
    assert np.isnan(built["volt_last"])


def test_service_experience_follows_the_owner_of_the_device(
    spec: FleetSpec, frame: Frame, devices: Any, frames: Any, at: Any
) -> None:
    moved = frame("device_id device_model installed_at customer_id available_at", [("a", "M1", -1000, "c2", 60)])
    tables = frames | {"devices": pd.concat([devices(*"abcdef"), moved])}
    history = CustomerHistory.from_frames(spec, tables)
    examples = customer_examples(history, [timestamp_us(at(50)), timestamp_us(at(60))])
    built = build_customer_features(history, examples)
    assert built["devices_count"].tolist() == [6.0, 5.0, 0.0, 1.0]
    assert built["failure_count_720h"].tolist() == [1.0, 0.0, 0.0, 1.0]
    assert built["closing_mean_720h"].dropna().tolist() == pytest.approx([10 / 24, 10 / 24])


def test_satisfaction_is_averaged_over_what_was_given(spec: FleetSpec, frames: Any, at: Any) -> None:
    history = CustomerHistory.from_frames(spec, frames)
    built = build_customer_features(history, Examples.of(["c1"], [timestamp_us(at(0)) + 100 * HOUR_US], "customer_id"))
    assert built[["csat_last", "csat_mean_720h", "complaint_count_720h"]].iloc[0].tolist() == [5.0, 5.0, 1.0]
    assert built[["purchase_count_720h", "purchase_mean_720h"]].iloc[0].tolist() == [2.0, 25.0]
