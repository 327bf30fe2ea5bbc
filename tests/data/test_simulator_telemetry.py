"""What sensors show, and what spoils it on its way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aftercast.data.arrays import Floats, Ints
from aftercast.data.simulator.config import SENSORS, FleetConfig
from aftercast.data.simulator.fleet import Device, make_device
from aftercast.data.simulator.mess import spoil
from aftercast.data.simulator.telemetry import ANSWER, FIRST_FR, readings
from aftercast.operations.clocks import HOUR_US

DAYS = 60
CLEAN = FleetConfig(
    dark_share=0, stops_share=0, outage_share=0, lying_share=0, late_share=0, duplicate_share=0, retired_share=0
)


def device(index: int = 0, **changes: object) -> Device:
    return replace(make_device(index, 0, DAYS, 1, CLEAN), install=-5, retire=DAYS, load=0.0, **changes)  # type: ignore[arg-type]


def truth(count: int = DAYS * 24) -> Floats:
    """Values that never repeat."""
    return np.arange(count * len(SENSORS), dtype=np.float64).reshape(count, -1) / 7


def delivered(config: FleetConfig, index: int = 0) -> tuple[Ints, Ints, Floats]:
    return spoil(device(index), truth(), 0, 1, config)


def shown(model: int, component: int, load: float = 0.0) -> Floats:
    """Mean change of each level sensor when a component's wear goes from none to 1.5, shape (4,)."""
    worn = np.zeros((DAYS, 4))
    worn[:, component] = 1.5
    one = replace(device(model=model), load=load)
    return np.asarray((readings(one, worn, 1) - readings(one, np.zeros((DAYS, 4)), 1)).mean(axis=0)[:4])


def test_clean_delivery_is_every_reading_once_soon_and_in_order() -> None:
    event, available, values = delivered(CLEAN)
    order = np.argsort(event)
    assert np.array_equal(event[order], np.arange(DAYS * 24) * HOUR_US)
    assert np.array_equal(values[order], truth())
    assert ((available > event) & (available - event < HOUR_US)).all()


@pytest.mark.parametrize(("component", "sensor", "sign"), [(0, 3, -1), (1, 1, 1), (2, 0, 1), (3, 2, 1)])
def test_the_wear_of_each_component_shows_in_a_sensor_of_its_own(component: int, sensor: int, sign: int) -> None:
    change = shown(0, component)
    assert change[sensor] * sign > 0.8 * abs(ANSWER[sensor])
    assert np.delete(change, sensor) == pytest.approx([0, 0, 0], abs=1e-9)


@pytest.mark.parametrize(("component", "sensor", "sign"), [(0, 3, -1), (1, 1, 1), (2, 0, -1), (3, 2, -1)])
def test_two_sensors_answer_the_other_way_in_fr_models(component: int, sensor: int, sign: int) -> None:
    assert shown(FIRST_FR, component)[sensor] * sign > 0


def test_the_same_wear_shows_more_under_load() -> None:
    assert shown(0, 2, load=1.0)[0] > 1.2 * shown(0, 2, load=0.0)[0]


def test_wear_below_a_half_does_not_show() -> None:
    one = device()
    quiet = readings(one, np.full((DAYS, 4), 0.5), 1)
    assert np.array_equal(quiet, readings(one, np.zeros((DAYS, 4)), 1))


def test_running_hours_never_fall() -> None:
    assert (np.diff(readings(device(), np.zeros((DAYS, 4)), 1)[:, 4]) >= 0).all()


def test_dark_devices_send_nothing() -> None:
    assert len(delivered(replace(CLEAN, dark_share=1.0))[0]) == 0


def test_devices_that_stop_send_all_before_and_nothing_after() -> None:
    event, _, _ = delivered(replace(CLEAN, stops_share=1.0))
    assert 0 < len(event) < DAYS * 24
    assert np.array_equal(np.sort(event), np.arange(len(event)) * HOUR_US)


def test_an_outage_is_one_gap_of_half_a_day_to_ten_days() -> None:
    for index in range(20):
        gaps = np.diff(np.sort(delivered(replace(CLEAN, outage_share=1.0), index)[0])) // HOUR_US
        assert (gaps > 1).sum() <= 1
        assert gaps.max() <= 240


def test_sensors_stick_or_lie_in_one_column_from_a_moment_on() -> None:
    kinds = set()
    for index in range(20):
        event, _, values = delivered(replace(CLEAN, lying_share=1.0), index)
        values = values[np.argsort(event)]
        changed = values != truth()
        assert changed.any(axis=0).sum() == 1
        sensor = int(changed.any(axis=0).argmax())
        told = values[changed[:, sensor], sensor]
        kinds.add({-9999.0: "low", 1e12: "high"}.get(float(told[0]), "stuck"))
        assert len(set(told)) == 1
    assert kinds == {"low", "high", "stuck"}


def test_a_stuck_sensor_repeats_its_last_honest_value_to_the_end() -> None:
    stuck = []
    for index in range(20):
        event, _, values = delivered(replace(CLEAN, lying_share=1.0), index)
        values = values[np.argsort(event)]
        sensor = int((values != truth()).any(axis=0).argmax())
        first = int((values != truth())[:, sensor].argmax())
        if abs(values[first, sensor]) < 9999:
            stuck.append((values[first - 1 :, sensor] == truth()[first - 1, sensor]).all())
    assert stuck
    assert all(stuck)


def test_late_readings_come_hours_or_days_later_and_are_the_same_readings() -> None:
    event, available, values = delivered(replace(CLEAN, late_share=0.5))
    late = available - event > 2 * HOUR_US
    assert 0.3 < late.mean() < 0.9
    assert (available - event).max() <= 97 * HOUR_US
    assert np.array_equal(values[np.argsort(event)], truth())
    assert (np.diff(event) < 0).any()
    assert (np.diff(available) >= 0).all()


def test_duplicates_are_exact_copies() -> None:
    event, available, values = delivered(replace(CLEAN, duplicate_share=1.0))
    rows = {(int(e), int(a), *map(float, v)) for e, a, v in zip(event, available, values, strict=True)}
    assert len(event) == 2 * DAYS * 24
    assert len(rows) == DAYS * 24
