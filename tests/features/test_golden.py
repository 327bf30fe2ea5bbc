"""Features of a few records, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.features.build import build_device_features
from aftercast.features.examples import Examples
from aftercast.features.history import History
from aftercast.operations.clocks import timestamp_us

Row = Callable[[dict[str, pd.DataFrame], float], dict[str, Any]]


@pytest.fixture
def row(spec: FleetSpec, devices: Any, at: Any) -> Row:
    """Features of device d at so many hours after the start."""

    def make(frames: dict[str, pd.DataFrame], hours: float) -> dict[str, Any]:
        history = History.from_frames(spec, {"devices": devices("d")} | frames)
        built = build_device_features(history, Examples.of(["d"], [timestamp_us(at(hours))]))
        return {str(name): value for name, value in built.iloc[0].items()}

    return make


def test_a_window_is_open_at_its_start_and_closed_at_the_cutoff(row: Row, frame: Any) -> None:
    telemetry = frame("device_id event_time volt", [("d", 7, 100.0), ("d", 8, 1.0), ("d", 10, 2.0), ("d", 10.5, 100.0)])
    found = row({"telemetry": telemetry}, 10)
    assert (found["volt_mean_3h"], found["volt_min_3h"], found["volt_max_3h"]) == (1.5, 1.0, 2.0)
    assert found["volt_last"] == 2.0


def test_std_is_the_samples_and_the_trend_is_per_hour(row: Row, frame: Any) -> None:
    telemetry = frame("device_id event_time volt", [("d", 22, 1.0), ("d", 24, 3.0), ("d", 26, 8.0)])
    found = row({"telemetry": telemetry}, 30)
    assert found["volt_std_24h"] == pytest.approx(np.std([1.0, 3.0, 8.0], ddof=1))
    assert found["volt_trend_24h"] == pytest.approx(7.0 / 4.0)


def test_one_reading_has_a_mean_but_neither_std_nor_trend(row: Row, frame: Any) -> None:
    found = row({"telemetry": frame("device_id event_time volt", [("d", 5, 4.0)])}, 6)
    assert found["volt_mean_24h"] == 4.0
    assert np.isnan(found["volt_std_24h"])
    assert np.isnan(found["volt_trend_24h"])


def test_the_exponential_mean_halves_the_weight_every_half_life(row: Row, frame: Any) -> None:
    found = row({"telemetry": frame("device_id event_time volt", [("d", 4, 10.0), ("d", 7, 1.0)])}, 7)
    assert found["volt_expmean_3h"] == pytest.approx((10.0 * 0.5 + 1.0) / 1.5)


def test_a_counter_that_was_reset_counts_on_from_zero(row: Row, frame: Any) -> None:
    readings = [("d", 1, 90.0), ("d", 5, 100.0), ("d", 9, 3.0), ("d", 24, 8.0)]
    found = row({"telemetry": frame("device_id event_time hours", readings)}, 24)
    assert found["hours_increase_24h"] == 18.0
    assert np.isnan(found["hours_increase_3h"])


@pytest.mark.parametrize(
    ("readings", "increase"),
    [([439500, 439534, 718, 750], 34 + 718 + 32), ([3400, 3399.9, 3405], 0 + 5.1), ([3400, 3405], 5)],
)
def test_a_counter_that_jitters_was_not_reset(row: Row, frame: Any, readings: list[float], increase: float) -> None:
    rows = [("d", 5 + k, float(value)) for k, value in enumerate(readings)]
    found = row({"telemetry": frame("device_id event_time hours", rows)}, 20)
    assert found["hours_increase_24h"] == pytest.approx(increase)


def test_a_late_record_counts_from_the_instant_it_is_available(row: Row, frame: Any) -> None:
    telemetry = frame("device_id event_time available_at volt", [("d", 5, 5, 1.0), ("d", 6, 9, 3.0)])
    assert row({"telemetry": telemetry}, 8)["volt_mean_24h"] == 1.0
    assert row({"telemetry": telemetry}, 9)["volt_mean_24h"] == 2.0


def test_a_correction_replaces_the_value_from_its_availability_on(row: Row, frame: Any) -> None:
    telemetry = frame("device_id event_time available_at volt", [("d", 5, 5, 1.0), ("d", 5, 9, 7.0)])
    assert row({"telemetry": telemetry}, 8)["volt_mean_24h"] == 1.0
    assert row({"telemetry": telemetry}, 9)["volt_mean_24h"] == 7.0


def test_a_later_row_that_lacks_a_value_does_not_erase_it(row: Row, frame: Any) -> None:
    rows = [("d", 5, 5, 1.0, None), ("d", 5, 6, None, 40.0)]
    found = row({"telemetry": frame("device_id event_time available_at volt hours", rows)}, 8)
    assert (found["volt_last"], found["hours_last"]) == (1.0, 40.0)


def test_without_telemetry_readings_are_missing_and_never_zero(row: Row) -> None:
    found = row({}, 8)
    assert np.isnan(found["volt_mean_24h"])
    assert np.isnan(found["telemetry_age_hours"])
    assert found["telemetry_never"] == 1.0
    assert found["faults_count_24h"] == 0.0


def test_faults_are_counted_by_code_and_dated(row: Row, frame: Any) -> None:
    faults = frame("device_id event_time code", [("d", 1, "E1"), ("d", 20, "E1"), ("d", 21, "other"), ("d", 26, "E1")])
    found = row({"faults": faults}, 25)
    assert (found["E1_count_24h"], found["E1_count_240h"], found["faults_count_24h"]) == (1.0, 2.0, 2.0)
    assert (found["E1_age_hours"], found["faults_age_hours"]) == (5.0, 4.0)


def test_an_event_exactly_at_the_cutoff_is_history(row: Row, frame: Any) -> None:
    found = row({"failures": frame("device_id event_time component", [("d", 25, "pump")])}, 25)
    assert (found["pump_failures_life"], found["pump_age_hours"]) == (1.0, 0.0)


def test_a_part_that_cannot_be_renewed_keeps_its_age(row: Row, frame: Any) -> None:
    found = row({"failures": frame("device_id event_time component", [("d", 20, "frame")])}, 25)
    assert (found["frame_failures_life"], found["frame_age_hours"]) == (1.0, 1025.0)


ORDER = "work_order_id device_id opened_at available_at closed_at kind component outcome"


def test_a_work_order_is_open_until_its_closing_is_known(row: Row, frame: Any) -> None:
    repairs = frame(
        ORDER,
        [
            ("w", "d", 10, 10, None, "corrective", "pump", None),
            ("w", "d", 10, 40, 30, "corrective", "pump", "replaced"),
        ],
    )
    before, after = row({"repairs": repairs}, 39), row({"repairs": repairs}, 40)
    assert (before["open_orders_count"], after["open_orders_count"]) == (1.0, 0.0)
    assert (before["pump_age_hours"], after["pump_age_hours"]) == (29.0, 10.0)
    assert after["repairs_count_life"] == 1.0


def test_a_visit_that_found_no_fault_renews_nothing(row: Row, frame: Any) -> None:
    order = ("w", "d", 10, 12, 12, "corrective", "pump", "no_fault_found")
    found = row({"repairs": frame(ORDER, [order])}, 25)
    assert (found["pump_age_hours"], found["no_fault_found_count_life"]) == (1025.0, 1.0)


def test_two_corrective_visits_in_thirty_days_are_a_repeat(row: Row, frame: Any) -> None:
    orders = [(f"w{i}", "d", 10 * i, 10 * i, None, "corrective", "pump", None) for i in (1, 2)]
    repairs = frame(ORDER, orders)
    assert [row({"repairs": repairs}, hours)["repeat_repair_30d"] for hours in (19, 20, 729, 730)] == [0, 1, 1, 0]


def test_warranty_ends_at_its_instant(row: Row) -> None:
    assert [row({}, hours)["in_warranty"] for hours in (499, 500)] == [1.0, 0.0]


def test_attributes_are_those_known_at_the_cutoff(row: Row, frame: Any) -> None:
    versions = [("d", "M1", -10, -10, "v1"), ("d", "M1", -10, 20, "v2")]
    devices = frame("device_id device_model installed_at available_at firmware", versions)
    assert [row({"devices": devices}, hours)["firmware"] for hours in (19, 20)] == ["v1", "v2"]


def test_deviation_is_in_units_of_the_devices_own_spread(row: Row, frame: Any) -> None:
    found = row({"telemetry": frame("device_id event_time volt", [("d", 20, 1.0), ("d", 24, 5.0)])}, 25)
    assert found["volt_deviation_3h"] == pytest.approx((5.0 - 3.0) / np.std([1.0, 5.0], ddof=1))


def test_the_next_visit_is_due_when_the_median_of_the_gaps_has_passed_again(row: Row, frame: Any) -> None:
    days = (0, 15, 15, 30, 75)
    orders = [(f"w{i}", "d", 24.0 * day, "preventive") for i, day in enumerate(days)]
    repairs = frame("work_order_id device_id opened_at kind", orders)
    found = row({"repairs": repairs}, 24 * 80)
    assert found["visit_gap_days"] == 15.0
    assert found["visit_due_days"] == 10.0
    before = row({"repairs": repairs}, 24 * 14)
    assert np.isnan(before["visit_gap_days"])
    assert np.isnan(before["visit_due_days"])
