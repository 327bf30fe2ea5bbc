"""Metrics by hand, against scikit-learn, and under a budget with ties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, precision_score, recall_score, roc_auc_score

from aftercast.models.fit.thresholds import best_f1_threshold
from aftercast.models.metrics.budgets import budget_metrics
from aftercast.models.metrics.failures import Rows, visits
from aftercast.models.metrics.rows import expected_calibration_error
from aftercast.models.metrics.table import alarm_metrics, row_metrics
from aftercast.operations.clocks import DAY_US, HOUR_US


def _rows() -> Rows:
    """One device, ten daily cutoffs; a failure at day 5.5 with a horizon of three days."""
    failure = np.full(10, -1)
    failure[3:6] = 0
    return Rows(
        owner=np.zeros(10, dtype=np.int64),
        cutoff_us=np.arange(10) * DAY_US,
        failure=failure,
        failure_us=np.array([5 * DAY_US + 12 * HOUR_US]),
        known=np.ones(10, dtype=bool),
        every_us=DAY_US,
    )


def test_row_metrics_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(500)
    y = rng.random(500) < p
    n = len(p)
    rows = Rows(
        np.arange(n),
        np.zeros(n, dtype=np.int64),
        np.where(y, np.cumsum(y) - 1, -1),
        np.ones(y.sum(), dtype=np.int64),
        np.ones(n, dtype=bool),
        DAY_US,
    )
    found = row_metrics(y, p) | alarm_metrics(rows, p >= 0.4)
    assert found["roc_auc"] == pytest.approx(roc_auc_score(y, p))
    assert found["pr_auc"] == pytest.approx(average_precision_score(y, p))
    assert found["precision"] == pytest.approx(precision_score(y, p >= 0.4))
    assert found["recall"] == pytest.approx(recall_score(y, p >= 0.4))
    assert found["brier"] == pytest.approx(np.mean((y - p) ** 2))


def test_without_events_what_is_undefined_is_none_and_never_zero() -> None:
    found = row_metrics(np.zeros(4, dtype=bool), np.full(4, 0.1))
    assert [found[n] for n in ("roc_auc", "pr_auc")] == [None, None]
    assert found["brier"] == pytest.approx(0.01)
    assert set(row_metrics(np.zeros(0, dtype=bool), np.zeros(0)).values()) == {None}


def test_calibration_error_by_hand() -> None:
    event, p = np.array([0, 0, 1, 1], dtype=bool), np.array([0.1, 0.3, 0.6, 0.8])
    assert expected_calibration_error(event, p, bins=2) == pytest.approx((0.4 + 0.6) / 4)


def test_equal_probabilities_share_a_bin() -> None:
    event = np.array([1, 1, 0, 0], dtype=bool)
    assert expected_calibration_error(event, np.full(4, 0.5), bins=4) == pytest.approx(0.0)


def test_lead_time_counts_from_the_first_flag_within_the_horizon() -> None:
    flagged = np.zeros(10, dtype=bool)
    flagged[[1, 4, 5]] = True
    found = alarm_metrics(_rows(), flagged)
    assert (found["failures"], found["found"], found["median_lead_time_hours"]) == (1, 1, 36.0)
    assert found["false_alarms_per_device_month"] == pytest.approx(1 / (10 / 30))


def test_a_missed_failure_has_no_lead_time() -> None:
    found = alarm_metrics(_rows(), np.zeros(10, dtype=bool))
    assert (found["recall_per_failure"], found["median_lead_time_hours"]) == (0.0, None)


def test_a_visit_answers_the_alarms_of_its_device_until_it_ends() -> None:
    """Visits last three days or until the failure; the alarm at day 6 comes after the failure at day 5.5."""
    rows = replace(_rows(), covers_us=3 * DAY_US)
    flagged = np.isin(np.arange(10), [0, 1, 2, 4, 5, 6, 9])
    assert np.flatnonzero(visits(rows, flagged)).tolist() == [0, 4, 6, 9]


def test_a_budget_is_the_riskiest_rounded_up_at_every_cutoff() -> None:
    """Of 100 devices at two cutoffs 1 % is one and 5 % are five; those that fail are the second riskiest."""
    failure = np.where(np.tile(np.arange(100) == 98, 2), np.repeat([0, 1], 100), -1)
    cutoff = np.repeat([0, DAY_US], 100)
    owner = np.tile(np.arange(100), 2)
    rows = Rows(owner, cutoff, failure, np.array([1, DAY_US + 1]), np.ones(200, dtype=bool), DAY_US)
    found = budget_metrics(rows, np.tile(np.arange(100) / 100, 2))
    assert [(found[name]["flagged"], found[name]["found"]) for name in ("1%", "5%")] == [(2, 0), (10, 2)]
    assert found["5%"]["precision"] == pytest.approx(0.2)


def test_a_constant_forecast_finds_failures_exactly_as_often_as_chance() -> None:
    n = 400
    failure = np.full(n, -1)
    failure[:40] = np.arange(40)
    rows = Rows(
        np.arange(n), np.zeros(n, dtype=np.int64), failure, np.full(40, HOUR_US), np.ones(n, dtype=bool), DAY_US
    )
    assert budget_metrics(rows, np.full(n, 0.1))["5%"]["recall_per_failure"] == pytest.approx(0.05, rel=1e-12)


@pytest.mark.parametrize("p", [[0.0, 0.0, 1.0], [0.0, 0.01, 1.0]])
def test_a_threshold_parts_certain_probabilities(p: list[float]) -> None:
    threshold = best_f1_threshold(np.array([False, False, True]), np.array(p))
    assert (np.array(p) >= threshold).tolist() == [False, False, True]


def test_a_threshold_lies_inside_the_gap_between_events_and_the_rest() -> None:
    event = np.arange(100) >= 80
    p = expit(np.where(event, 2.0, -6.0) + np.linspace(-0.1, 0.1, 100))
    assert -4.0 < logit(best_f1_threshold(event, p)) < 0.0


def test_one_odd_event_does_not_move_the_threshold_next_to_it() -> None:
    event = np.arange(2_000) >= 1_980
    odds = np.where(event, 4.0, -6.0) + np.random.default_rng(0).normal(size=2_000)
    odds[-1], odds[0] = -3.0, -3.1
    assert logit(best_f1_threshold(event, expit(odds))) > -2.0


def test_with_many_events_the_threshold_has_nearly_the_greatest_f1() -> None:
    random = np.random.default_rng(1)
    p = random.beta(1, 4, 40_000)
    event = random.random(40_000) < p

    def f1(threshold: float) -> float:
        flagged = p >= threshold
        return float(2 * (event & flagged).sum() / (event.sum() + flagged.sum()))

    assert f1(best_f1_threshold(event, p)) > max(f1(t) for t in np.linspace(0.01, 0.9, 200)) - 0.002


def test_without_events_there_is_no_threshold() -> None:
    assert np.isnan(best_f1_threshold(np.zeros(3, dtype=bool), np.zeros(3)))
