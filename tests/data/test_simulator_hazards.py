"""The law of failures: each thing said to raise or lower a hazard does, by the amount written."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from aftercast.data.arrays import Floats
from aftercast.data.simulator.config import COMPONENTS, FleetConfig, Run
from aftercast.data.simulator.fleet import Device, make_device
from aftercast.data.simulator.hazards import FAILURE, HOLDOUT, PREVENTIVE, TREATED, DevicePath, walk

DAYS, CONFIG = 200, FleetConfig()
SAFE = replace(CONFIG, weibull_scale_days=(1e12,) * 4, proactive_rate=0.0)
"""A world in which nothing fails or is visited, so that wear can be watched."""


def run(config: FleetConfig = CONFIG, days: int = DAYS) -> Run:
    return Run(days, 0, 3, config)


def plain(config: FleetConfig = CONFIG) -> Device:
    """A device without anything special: average load, old generation, good lot, new parts, no maintenance."""
    return replace(
        make_device(0, 0, DAYS, 3, config),
        install=-10,
        retire=DAYS,
        load=0.0,
        lot=1,
        generation=1,
        renewed=np.full(4, -10),
        wear_rate=np.full(4, 0.005),
        maintenance=np.full(DAYS, -1),
    )


def many(config: FleetConfig, count: int = 300) -> list[tuple[Device, DevicePath]]:
    devices = [make_device(k, k, DAYS, 3, config) for k in range(count)]
    return [(device, walk(device, run(config))) for device in devices]


def worn_at(device: Device, path: DevicePath, day: int, component: int) -> tuple[float, float]:
    """Wear on a day, and what a day's half adds to it."""
    return float(path.wear[day, component]), float(device.wear_rate[component]) / 2


def ratio(other: Device, day: int = 0, config: FleetConfig = CONFIG) -> Floats:
    """Hazard of another device over the plain one's on a day, shape (C,)."""
    return np.asarray(walk(other, run(config)).hazard[day] / walk(plain(), run(config)).hazard[day])


def test_the_hazard_is_the_formula() -> None:
    device = replace(plain(), load=0.7, wear_rate=np.full(4, 0.1))
    age, day, c = 10.5, 0, CONFIG
    wear = min(0.1 * age, c.wear_ceiling)
    power = c.wear_effect * (1 + c.strain_effect * 0.7) * max(wear - c.wear_onset, 0) + c.load_effect * 0.7
    power += c.season_effect * math.sin(2 * math.pi * day / 365)
    for component, scale in enumerate(c.weibull_scale_days):
        weibull = c.weibull_shape / scale * (age / scale) ** (c.weibull_shape - 1)
        assert walk(device, run()).hazard[0, component] == pytest.approx(weibull * math.exp(power))


def test_a_probability_sums_the_hazards_ahead() -> None:
    path = walk(plain(), run(SAFE))
    for column, days in enumerate((1, 7, 30)):
        assert path.cumulative[40, :, column] == pytest.approx(path.hazard[40 : 40 + days].sum(axis=0))


def test_the_bad_lot_raises_the_hazard_of_one_component() -> None:
    assert ratio(replace(plain(), lot=7)) == pytest.approx([math.exp(CONFIG.lot_effect), 1, 1, 1])


def test_the_newest_generation_raises_every_hazard() -> None:
    assert ratio(replace(plain(), generation=2)) == pytest.approx([1, 1, 1, 1])
    assert ratio(replace(plain(), generation=3)) == pytest.approx([math.exp(CONFIG.generation_effect)] * 4)


def test_load_does_more_to_a_worn_component() -> None:
    loaded, fresh, worn = replace(plain(), load=1.0), np.full(4, 0.005), np.full(4, 1.0)
    new = ratio(replace(loaded, wear_rate=fresh))[0]
    both = [walk(replace(device, wear_rate=worn), run(SAFE)).hazard[0, 0] for device in (loaded, plain())]
    assert new == pytest.approx(math.exp(CONFIG.load_effect))
    strain = CONFIG.wear_effect * CONFIG.strain_effect * (CONFIG.wear_ceiling - CONFIG.wear_onset)
    assert both[0] / both[1] == pytest.approx(math.exp(CONFIG.load_effect + strain))


def test_devices_that_work_harder_wear_faster() -> None:
    devices = [make_device(k, k, DAYS, 3, CONFIG) for k in range(2000)]
    slope = np.polyfit([d.load for d in devices], [np.log(d.wear_rate).mean() for d in devices], 1)[0]
    assert slope == pytest.approx(CONFIG.wear_load_effect, abs=0.1)


def test_wear_below_the_onset_adds_no_danger_and_above_it_much() -> None:
    path = walk(replace(plain(), wear_rate=np.full(4, 0.01)), run(SAFE))
    age = np.arange(DAYS) + 10.5
    season = CONFIG.season_effect * np.sin(2 * np.pi * np.arange(DAYS) / 365)
    danger = np.log(path.hazard[:, 0]) - (CONFIG.weibull_shape - 1) * np.log(age) - season
    below, above = path.wear[:, 0] < CONFIG.wear_onset, path.wear[:, 0] > 1.5
    assert np.ptp(danger[below]) < 1e-9
    assert (danger[above] - danger[0] > 0.49 * CONFIG.wear_effect).all()


def test_maintenance_renews_a_component_and_no_other() -> None:
    device = plain()
    device.maintenance[50] = 2
    path = walk(device, run(SAFE))
    wear, half = worn_at(device, path, 51, 2)
    assert wear == pytest.approx(half)
    assert path.hazard[51, 2] < path.hazard[50, 2]
    assert (path.wear[51, [0, 1, 3]] > path.wear[50, [0, 1, 3]]).all()
    assert path.events[:, :3].tolist() == [[PREVENTIVE, 50.4, 2.0]]


def test_planned_maintenance_is_known_to_the_probabilities_before_it() -> None:
    device = plain()
    device.maintenance[50] = 2
    served, bare = walk(device, run(SAFE)).cumulative, walk(plain(), run(SAFE)).cumulative
    assert served[40, 2, 2] < bare[40, 2, 2]
    assert served[40, 2, 1] == bare[40, 2, 1]


def test_a_failed_component_cannot_fail_until_repaired_and_is_new_then_unless_the_repair_was_poor() -> None:
    config = replace(CONFIG, proactive_rate=0.0, preventive_every_days=10_000, repeat_share=0.5)
    good, poor = 0, 0
    for device, path in many(config):
        for kind, at, part, wait, repeat, *_ in path.events:
            day, component = int(at), int(part)
            back = day + int(wait) + 1
            assert kind == FAILURE
            if back < device.retire:
                assert (path.hazard[day + 1 : back, component] == 0).all()
                left = config.repeat_residual * path.wear[day, component] if repeat else 0.0
                wear, half = worn_at(device, path, back, component)
                assert wear == pytest.approx(min(left + half, config.wear_ceiling))
                good, poor = good + int(not repeat), poor + int(repeat)
    assert min(good, poor) > 50


def test_poor_repairs_are_followed_by_more_danger() -> None:
    config = replace(CONFIG, proactive_rate=0.0, repeat_share=0.5)
    ahead: dict[bool, list[float]] = {True: [], False: []}
    for device, path in many(config):
        for _, at, part, wait, repeat, *_ in path.events[path.events[:, 0] == FAILURE]:
            back = int(at) + int(wait) + 1
            if back < device.retire:
                ahead[bool(repeat)].append(path.cumulative[back, int(part), 2])
    assert np.mean(ahead[True]) > 2 * np.mean(ahead[False])


@pytest.mark.parametrize(("holdout", "kind"), [(0.0, TREATED), (1.0, HOLDOUT)])
def test_a_proactive_visit_leaves_a_fifth_of_the_wear_and_a_holdout_all(holdout: float, kind: int) -> None:
    config = replace(SAFE, proactive_rate=1.0, proactive_noise=0.0, holdout_share=holdout)
    device = replace(plain(), wear_rate=np.full(4, 0.01))
    path = walk(device, run(config))
    first = path.events[path.events[:, 2] == 1][0]
    day, before = int(first[1]), path.wear[int(first[1]), 1]
    after, half = worn_at(device, path, day + 1, 1)
    assert first[0] == kind
    assert before == pytest.approx(config.proactive_threshold, abs=0.011)
    assert after == pytest.approx(config.proactive_residual * before + half if kind == TREATED else before + 2 * half)
    assert first[5] < first[6]
    came = path.hazard[day + 1 : day + 31, 1].sum()
    if kind == TREATED:
        assert came == pytest.approx(first[5])


def test_parts_are_of_any_age_at_the_start_and_none_is_older_than_its_device() -> None:
    devices = [make_device(k, k, DAYS, 3, CONFIG) for k in range(500)]
    ages = np.array([-d.renewed for d in devices if d.install < -CONFIG.oldest_part_days])
    assert ages.min() < 0.1 * CONFIG.oldest_part_days
    assert 0.9 * CONFIG.oldest_part_days < ages.max() <= CONFIG.oldest_part_days
    assert all((d.renewed >= d.install).all() for d in devices)
    assert len(COMPONENTS) == ages.shape[1]
