"""Cost and decision curves against examples worked out by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from aftercast.data.fleet import Costs
from aftercast.models.judge.curves import calibration, precision_recall
from aftercast.models.judge.decisions import cost_curve, decision_curve, net_benefit
from aftercast.models.metrics.failures import Rows
from aftercast.models.metrics.visit_rates import rate_threshold, visit_rate_metrics
from aftercast.operations.clocks import DAY_US, HOUR_US

COSTS = Costs(missed_failure=100, needless_visit=20, currency="EUR")


def four_devices(act_within_us: int = 0) -> Rows:
    """Four devices asked once, horizon a day; the second fails after 12 hours, the fourth after 2."""
    failure = np.array([-1, 0, -1, 1])
    at = np.array([12 * HOUR_US, 2 * HOUR_US])
    return Rows(
        owner=np.arange(4),
        cutoff_us=np.zeros(4, dtype=np.int64),
        failure=failure,
        failure_us=at,
        known=np.ones(4, dtype=bool),
        every_us=30 * DAY_US,
        covers_us=DAY_US,
        act_within_us=act_within_us,
    )


RISKS = np.array([0.9, 0.8, 0.4, 0.1])


def test_costs_by_hand() -> None:
    """Four device-months. Nobody: two missed. From .9: one needless visit. From .8: one found."""
    curve = cost_curve(four_devices(), RISKS, COSTS)
    found = {point["threshold"]: (point["missed"], point["needless"], point["cost"]) for point in curve["points"]}
    assert found == {
        None: (2, 0, 200 / 4),
        0.9: (2, 1, 220 / 4),
        0.8: (1, 1, 120 / 4),
        0.4: (1, 2, 140 / 4),
        0.1: (0, 2, 40 / 4),
    }
    assert curve["best"] == {"threshold": 0.1, "missed": 0, "needless": 2, "cost": 10.0}
    assert (curve["currency"], curve["missed_failure"], curve["needless_visit"]) == ("EUR", 100, 20)


def test_where_visits_are_dear_nobody_is_visited() -> None:
    best = cost_curve(four_devices(), RISKS, Costs(missed_failure=1, needless_visit=50))["best"]
    assert best == {"threshold": None, "missed": 2, "needless": 0, "cost": 0.5}


def test_a_failure_too_soon_to_act_costs_as_a_missed_one() -> None:
    curve = cost_curve(four_devices(act_within_us=6 * HOUR_US), RISKS, COSTS)
    assert [point["missed"] for point in curve["points"]] == [2, 2, 1, 1, 1]


def test_without_known_rows_there_is_no_cost() -> None:
    nothing = Rows(
        np.arange(2),
        np.zeros(2, dtype=np.int64),
        np.full(2, -1),
        np.zeros(0, dtype=np.int64),
        np.zeros(2, bool),
        DAY_US,
    )
    curve = cost_curve(nothing, np.array([0.1, 0.2]), COSTS)
    assert (curve["points"], curve["best"]) == ([], None)


def test_net_benefit_by_hand() -> None:
    """Of ten rows three are events; from .2 on five are visited, two of them events: 2/10 - 3/10 * 1/4."""
    event = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
    p = np.array([0.9, 0.2, 0.1, 0.5, 0.4, 0.3, 0.1, 0.1, 0.0, 0.0])
    assert net_benefit(event, p, 0.2) == pytest.approx(2 / 10 - 3 / 10 * 0.25)
    assert net_benefit(event, p, 0.95) == 0.0


def test_the_decision_curve_stands_beside_visiting_everybody() -> None:
    event = np.array([True, False, False, False])
    curve = decision_curve(event, np.ones(4), COSTS)
    assert curve["threshold_of_costs"] == pytest.approx(20 / 120)
    for point in curve["points"]:
        odds = point["threshold"] / (1 - point["threshold"])
        assert point["visit_all"] == pytest.approx(0.25 - 0.75 * odds)
        assert point["net_benefit"] == pytest.approx(point["visit_all"])


def test_a_perfect_forecast_has_the_share_of_events_at_every_threshold() -> None:
    event = np.array([True, False, False, False])
    points = decision_curve(event, event.astype(float), COSTS)["points"]
    assert [point["net_benefit"] for point in points] == [0.25] * len(points)


def test_without_rows_or_costs_there_is_no_decision() -> None:
    nothing = decision_curve(np.zeros(0, bool), np.zeros(0), Costs(missed_failure=0, needless_visit=0))
    assert nothing == {"threshold_of_costs": None, "points": []}


def test_rates_of_false_visits_by_hand() -> None:
    """Four device-months allow .4, 2 and 4 false visits: only the first probability is one, .4 the second."""
    found = visit_rate_metrics(four_devices(), np.array([0.8, 0.9, 0.4, 0.1]))
    assert {rate: each["threshold"] for rate, each in found.items()} == {"0.1": 0.9, "0.5": 0.1, "1": 0.1}
    assert {rate: each["recall_per_failure"] for rate, each in found.items()} == {"0.1": 0.5, "0.5": 1.0, "1": 1.0}
    assert found["0.5"]["false_visits_per_1000_device_months"] == pytest.approx(500)


def test_where_the_first_alarm_is_one_too_many_nothing_is_flagged() -> None:
    found = visit_rate_metrics(four_devices(), RISKS)["0.1"]
    assert (found["threshold"], found["found"], found["false_visits_per_1000_device_months"]) == (None, 0, 0)


def test_no_lower_threshold_stays_within_the_rate() -> None:
    random = np.random.default_rng(0)
    owner, cutoff = np.repeat(np.arange(40), 10), np.tile(np.arange(10) * DAY_US, 40)
    rows = Rows(
        owner, cutoff, np.full(400, -1), np.zeros(0, dtype=np.int64), np.ones(400, bool), DAY_US, covers_us=3 * DAY_US
    )
    p = random.random(400).round(2)
    chosen = rate_threshold(rows, p, 1.0)
    assert chosen is not None
    visits = {t: _visits(owner, cutoff, p >= t) for t in np.unique(p)}
    assert visits[chosen] <= 400 / 30
    assert min(count for t, count in visits.items() if t < chosen) > 400 / 30


def _visits(owner: np.ndarray, cutoff: np.ndarray, flagged: np.ndarray) -> int:
    """Visits of three days, counted the slow way."""
    count = 0
    for device in np.unique(owner):
        until = -1
        for at in cutoff[(owner == device) & flagged]:
            if at >= until:
                count, until = count + 1, at + 3 * DAY_US
    return count


def test_the_precision_recall_curve_keeps_both_ends() -> None:
    random = np.random.default_rng(1)
    p = random.random(5_000)
    event = random.random(5_000) < p
    points = precision_recall(event, p)
    assert len(points) < 110
    assert (points[0]["recall"], points[-1]["recall"]) == (1.0, 0.0)
    assert points[0]["precision"] == event.mean()
    assert points[-1]["precision"] == event[p.argmax()]
    assert all(left["recall"] >= right["recall"] for left, right in pairwise(points))
    assert precision_recall(np.zeros(3, dtype=bool), np.zeros(3)) == []


def test_calibration_bins_hold_every_row_and_part_no_equal_ones() -> None:
    bins = calibration(np.array([True, False, False, True]), np.array([0.5, 0.5, 0.1, 0.9]))
    assert bins == [
        {"n": 1, "predicted": 0.1, "observed": 0.0},
        {"n": 2, "predicted": 0.5, "observed": 0.5},
        {"n": 1, "predicted": 0.9, "observed": 1.0},
    ]
    assert calibration(np.zeros(0, dtype=bool), np.zeros(0)) == []
