"""Evaluation of small fleets, every figure worked out by hand in the test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from aftercast.features.examples import Examples
from aftercast.features.labels import Labels
from aftercast.models.metrics.evaluation import Truth, evaluate, failures_in
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER

HORIZON_US = 2 * DAY_US
NO_THRESHOLD = np.array([np.nan, np.nan])
UNDEFINED = ("roc_auc", "pr_auc", "recall", "recall_per_failure", "median_lead_time_hours")


def truth_of(
    devices: int,
    days: int,
    failures: Mapping[tuple[str, int], float],
    *,
    observed_days: float,
    horizon: int = HORIZON_US,
) -> Truth:
    """Devices d000, d001, ... asked every midnight for the failures (component, device) -> hour since the start."""
    components = tuple(dict.fromkeys(["pump", *(component for component, _ in failures)]))
    ids = np.repeat([f"d{number:03d}" for number in range(devices)], days)
    cutoff = np.tile(np.arange(days, dtype=np.int64) * DAY_US, devices)
    time = np.full((len(ids), len(components)), NEVER)
    for (component, device), hour in failures.items():
        rows = np.arange(device * days, (device + 1) * days)
        left = int(hour * HOUR_US) - cutoff[rows]
        time[rows, components.index(component)] = np.where(left > 0, left, NEVER)
    follow_up = np.tile((int(observed_days * DAY_US) - cutoff)[:, None], (1, len(components)))
    labels = Labels(time, follow_up, components, np.ones(len(ids), dtype=bool))
    return Truth(Examples(ids, cutoff, "device_id"), labels, horizon, DAY_US)


def columns(*values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.column_stack([np.asarray(value, dtype=np.float64) for value in values])


@pytest.fixture(scope="module")
def two_devices() -> dict[str, Any]:
    """Two devices on five days, watched until the fifth midnight: the rows of the last day are not known.

    The pump of d000 fails at hour 84, so its cutoffs at hours 48 and 72 are events; the fan of d001 fails at hour 24,
    so its cutoff at hour 0 is one, and the one exactly at hour 24 is not.
    """
    truth = truth_of(2, 5, {("pump", 0): 84, ("fan", 1): 24}, observed_days=5)
    pump = [0.1, 0.6, 0.4, 0.8, 0.9, 0.2, 0.7, 0.1, 0.3, 0.95]
    fan = [0.0, 0.0, 0.1, 0.1, 0.0, 0.3, 0.2, 0.1, 0.1, 0.1]
    both = [0.1, 0.6, 0.5, 0.8, 0.9, 0.6, 0.7, 0.1, 0.4, 0.95]
    return evaluate(truth, columns(pump, fan, both), np.array([0.5, 0.25, 0.55]))


def test_rows_by_hand(two_devices: dict[str, Any]) -> None:
    pump = two_devices["pump"]
    assert (pump["n"], pump["events"], pump["threshold"]) == (8, 2, 0.5)
    # Events .8 and .4 against .1 .6 .2 .7 .1 .3: .8 is above all six, .4 above four.
    assert pump["roc_auc"] == pytest.approx(10 / 12)
    # In falling order .8 (event) .7 .6 .4 (event): precision 1/1 at the first event, 2/4 at the second.
    assert pump["pr_auc"] == pytest.approx((1 + 2 / 4) / 2)
    assert pump["brier"] == pytest.approx((0.01 + 0.36 + 0.36 + 0.04 + 0.04 + 0.49 + 0.01 + 0.09) / 8)
    # A bin for each row but one for both of .1: gaps .2, .2, .3, 1 - .4, .6, .7, 1 - .8.
    assert pump["ece"] == pytest.approx((0.2 + 0.2 + 0.3 + 0.6 + 0.6 + 0.7 + 0.2) / 8)


def test_flags_at_the_threshold_by_hand(two_devices: dict[str, Any]) -> None:
    pump = two_devices["pump"]
    # Flagged and known: .6 and .8 of d000, .7 of d001; only .8 is an event, and .4 is an event missed.
    assert pump["precision"] == pytest.approx(1 / 3)
    assert pump["recall"] == pytest.approx(1 / 2)
    # The failure at hour 84 is announced at hour 72; the flag at hour 24 speaks of hours 24 to 72: a false alarm.
    assert (pump["failures"], pump["found"], pump["recall_per_failure"]) == (1, 1, 1.0)
    assert pump["median_lead_time_hours"] == pytest.approx(12)
    # Two false alarms in the eight days that were watched to the end.
    assert pump["false_alarms_per_device_month"] == pytest.approx(2 / (8 / 30))


def test_each_component_has_its_own_threshold_and_failures(two_devices: dict[str, Any]) -> None:
    fan = two_devices["fan"]
    assert (fan["events"], fan["failures"], fan["precision"], fan["recall"]) == (1, 1, 1.0, 1.0)
    assert fan["median_lead_time_hours"] == pytest.approx(24)
    assert fan["false_alarms_per_device_month"] == 0.0


def test_all_takes_the_failures_of_every_component(two_devices: dict[str, Any]) -> None:
    assert list(two_devices) == ["pump", "fan", "all"]
    found = two_devices["all"]
    # Flagged and known at .55: hours 24 and 72 of d000, 0 and 24 of d001; the events are 48, 72 and 0.
    assert (found["n"], found["events"], found["failures"]) == (8, 3, 2)
    assert found["precision"] == pytest.approx(2 / 4)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["recall_per_failure"] == 1.0
    assert found["median_lead_time_hours"] == pytest.approx((12 + 24) / 2)


def test_two_components_that_fail_together_are_one_failure_of_all() -> None:
    truth = truth_of(1, 3, {("pump", 0): 30, ("fan", 0): 30}, observed_days=6)
    found = evaluate(truth, np.full((3, 3), 0.5), np.full(3, 0.5))
    assert [found[name]["failures"] for name in ("pump", "fan", "all")] == [1, 1, 1]
    assert failures_in(truth.labels, truth.examples).tolist() == [1, 1]


def test_the_end_of_the_horizon_belongs_to_it_and_the_cutoff_does_not() -> None:
    truth = truth_of(1, 4, {("pump", 0): 48}, observed_days=9)
    assert truth.rows("pump").event.tolist() == [True, True, False, False]


@pytest.fixture(scope="module")
def under_budgets() -> dict[str, Any]:
    """120 devices on two days, d000 the riskiest and so on; the three budgets allow 1, 2 and 6 of them a day."""
    failures = {("pump", 1): 30.0, ("pump", 4): 60.0, ("pump", 100): 20.0}
    risk = np.repeat((120 - np.arange(120)) / 1000, 2)
    found = evaluate(truth_of(120, 2, failures, observed_days=4), columns(risk, risk), NO_THRESHOLD)
    budgets: dict[str, Any] = found["pump"]["budgets"]
    return budgets


@pytest.mark.parametrize(
    ("budget", "flagged", "found"),
    [
        # d000 on both days, which does not fail.
        ("0.1%", 2, 0),
        # d001 as well: announced at hour 0, fails at hour 30.
        ("1%", 4, 1),
        # d002 to d005 as well: d004 fails at hour 60, which the flag at hour 24 announces and that at hour 0 does not.
        ("5%", 12, 2),
    ],
)
def test_failures_under_budgets_by_hand(under_budgets: dict[str, Any], budget: str, flagged: int, found: int) -> None:
    got = under_budgets[budget]
    assert (got["flagged"], got["failures"], got["found"]) == (flagged, 3, found)
    assert got["recall_per_failure"] == pytest.approx(found / 3)


@pytest.mark.parametrize(("budget", "flagged", "false"), [("0.1%", 2, 2), ("1%", 4, 2), ("5%", 12, 9)])
def test_false_alarms_under_budgets_by_hand(
    under_budgets: dict[str, Any], budget: str, flagged: int, false: int
) -> None:
    """d000, d002, d003 and d005 on both days, and d004 at hour 0, in the time of 240 device-days."""
    got = under_budgets[budget]
    assert got["false_alarms_per_device_month"] == pytest.approx(false / (240 / 30))
    assert got["precision"] == pytest.approx((flagged - false) / flagged)


@pytest.mark.parametrize("failing", [range(1, 61), range(60, 120)], ids=["first", "last"])
def test_ties_at_the_edge_of_a_budget_share_it_whoever_comes_first(failing: range) -> None:
    truth = truth_of(120, 1, {("pump", 0): 5.0} | {("pump", n): 5.0 for n in failing}, observed_days=4)
    risk = np.where(np.arange(120) == 0, 0.9, 0.5)
    got = evaluate(truth, columns(risk, risk), NO_THRESHOLD)["pump"]["budgets"]
    assert got["0.1%"]["found"] == 1
    # Six devices: d000 for sure and five of 119 tied ones, 60 of which fail.
    assert got["5%"]["flagged"] == 6
    assert got["5%"]["found"] == pytest.approx(1 + 5 * 60 / 119)
    assert got["1%"]["found"] == pytest.approx(1 + 60 / 119)


def test_ties_that_fit_into_a_budget_are_all_visited() -> None:
    truth = truth_of(120, 1, {("pump", n): 5.0 for n in (0, 3, 100)}, observed_days=4)
    risk = np.where(np.arange(120) < 6, 0.5, 0.1)
    got = evaluate(truth, columns(risk, risk), NO_THRESHOLD)["pump"]["budgets"]["5%"]
    assert (got["flagged"], got["found"]) == (6, 2)


def test_without_events_what_is_undefined_is_none_in_the_report_and_never_zero() -> None:
    found = evaluate(truth_of(3, 2, {}, observed_days=6), np.full((6, 2), 0.2), NO_THRESHOLD)["pump"]
    assert (found["n"], found["events"], found["failures"], found["threshold"]) == (6, 0, 0, None)
    assert [found[name] for name in (*UNDEFINED, "precision", "found", "false_alarms_per_device_month")] == [None] * 8
    assert found["brier"] == pytest.approx(0.04)
    assert found["ece"] == pytest.approx(0.2)
    at_budget = found["budgets"]["1%"]
    assert at_budget["recall_per_failure"] is None
    assert at_budget["false_alarms_per_device_month"] == pytest.approx(2 / (6 / 30))
    assert json.loads(json.dumps(found, allow_nan=False))["roc_auc"] is None


def test_with_a_threshold_and_no_events_false_alarms_are_still_counted() -> None:
    found = evaluate(truth_of(1, 3, {}, observed_days=6), columns([0.9, 0.1, 0.1], [0.0] * 3), np.array([0.5, 0.5]))
    pump = found["pump"]
    assert [pump[name] for name in UNDEFINED] == [None] * len(UNDEFINED)
    assert pump["precision"] == 0.0
    assert pump["false_alarms_per_device_month"] == pytest.approx(1 / (3 / 30))
    assert found["all"]["precision"] is None
    assert found["all"]["false_alarms_per_device_month"] == 0.0


def test_where_no_horizon_was_watched_to_its_end_nothing_is_said() -> None:
    found = evaluate(truth_of(2, 2, {}, observed_days=1.5), np.full((4, 2), 0.9), np.array([0.5, 0.5]))["pump"]
    numbers = {name: value for name, value in found.items() if name not in ("threshold", "budgets")}
    assert {name: value for name, value in numbers.items() if value is not None} == {
        "n": 0,
        "events": 0,
        "failures": 0,
        "found": 0,
    }
    assert found["budgets"]["1%"]["false_alarms_per_device_month"] is None


def test_rows_whose_end_was_not_seen_count_neither_as_alarms_nor_as_time() -> None:
    """Of four days two were watched to the end; each day has a flag, of which two can be judged: one a day."""
    found = evaluate(truth_of(1, 4, {}, observed_days=3), np.full((4, 2), 0.9), np.array([0.5, 0.5]))["pump"]
    assert found["n"] == 2
    assert found["false_alarms_per_device_month"] == pytest.approx(30)


def test_rows_after_the_device_had_retired_teach_nothing() -> None:
    truth = truth_of(1, 4, {("pump", 0): 84}, observed_days=9)
    gone = np.array([True, True, False, False])
    labels = Labels(truth.labels.time_to_event_us, truth.labels.follow_up_us, truth.labels.components, gone)
    rows = Truth(truth.examples, labels, truth.horizon_us, DAY_US).rows("pump")
    assert rows.known.tolist() == [True, True, False, False]
    assert len(rows.failure_us) == 0


def test_certain_probabilities_are_probabilities() -> None:
    truth = truth_of(4, 1, {("pump", 0): 5.0, ("pump", 1): 5.0}, observed_days=9)
    right, wrong = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])
    found = evaluate(truth, columns(right, wrong), np.array([1.0, 1.0]))
    best, worst = found["pump"], found["all"]
    names = ("roc_auc", "pr_auc", "brier", "ece", "precision", "recall", "recall_per_failure")
    assert [best[name] for name in names] == [1, 1, 0, 0, 1, 1, 1]
    assert [worst[name] for name in names] == [0, pytest.approx(1 / 2), 1, 1, 0, 0, 0]
    assert best["log_loss"] == pytest.approx(0)
    assert worst["log_loss"] == pytest.approx(-np.log(1e-12))


def test_a_threshold_of_zero_is_a_threshold_and_flags_every_row() -> None:
    truth = truth_of(4, 1, {("pump", 0): 5.0}, observed_days=9)
    found = evaluate(truth, np.zeros((4, 2)), np.zeros(2))["pump"]
    assert (found["threshold"], found["precision"], found["recall"]) == (0.0, 0.25, 1.0)


def test_thresholds_may_differ_by_row_and_some_may_be_missing() -> None:
    truth = truth_of(1, 3, {("pump", 0): 71}, observed_days=9)
    thresholds = np.array([[0.1, 0.1], [0.9, 0.9], [np.nan, np.nan]])
    found = evaluate(truth, np.full((3, 2), 0.5), thresholds)["pump"]
    # Flagged is the first row only, whose horizon ends at hour 48; the rows at hours 24 and 48 are the events.
    assert (found["events"], found["precision"], found["recall"]) == (2, 0.0, 0.0)
    assert found["threshold"] == pytest.approx(0.5)
