"""Thresholds against brute force over all cut points, with few outcomes, and without a look at unfinished horizons."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from aftercast.data.fleet import FleetSpec
from aftercast.features.labels import Labels
from aftercast.models.fit.thresholds import best_f1_threshold, expected_f1_threshold
from aftercast.models.fit.training import Trained, choose_thresholds, train_model, with_thresholds
from aftercast.models.hazard import HazardModel, HazardSettings, combine
from aftercast.operations.clocks import DAY_US, NEVER, timestamp_us

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
REPEATS = 2_500  # so many outcomes of one forecast that the smoothing has nothing left to smooth
PROBABILITY = st.floats(0, 1)
UNTIL = pd.Timestamp(60 * DAY_US, unit="us", tz="UTC")
SMALL = HazardSettings(rounds=20, fallback_rounds=5, workers=1)


def f1(event: Mask, probability: Floats, threshold: float) -> float:
    flagged = probability >= threshold
    return float(2 * (event & flagged).sum() / (event.sum() + flagged.sum()))


def smoothed_f1(event: Mask, probability: Floats, threshold: Floats) -> Floats:
    """F1 of blended outcomes whose counts are sums of logistic kernels over the log-odds, shape of the thresholds."""
    odds = logit(np.clip(probability, 1e-12, 1 - 1e-12))
    distance = (odds[:, None] - logit(threshold)[None, :]) * np.sqrt(event.sum()) / 4
    above, seen = expit(distance), event.sum() / (event.sum() + 30)
    outcome = seen * event + (1 - seen) * probability
    return np.asarray(2 * outcome @ above / (above.sum(axis=0) + outcome.sum()))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-6, 6), st.booleans()), min_size=1, max_size=20))
@example([(2, True), (1, False), (0, True), (0, True), (-1, False)])
def test_with_many_outcomes_no_cut_point_has_a_greater_f1(rows: list[tuple[int, bool]]) -> None:
    odds, failed = np.array([*rows, (-8, False)]).T
    if failed.any():
        event, probability = np.repeat(failed.astype(bool), REPEATS), np.repeat(expit(odds.astype(float)), REPEATS)
        best = max(f1(event, probability, cut) for cut in np.unique(probability))
        # Of 2,500 events seen the forecasts still weigh a hundredth.
        assert f1(event, probability, best_f1_threshold(event, probability)) == pytest.approx(best, abs=0.02)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans()), min_size=2, max_size=60))
@example([(0.5, True), (0.4, False), (0.001, True), (0.3, False)])
def test_with_few_outcomes_no_cut_point_has_a_greater_smoothed_f1(rows: list[tuple[float, bool]]) -> None:
    probability, event = np.array([p for p, _ in rows]), np.array([failed for _, failed in rows])
    if event.any():
        cuts = np.linspace(logit(probability.min()), logit(probability.max()), 500)
        found = smoothed_f1(event, probability, np.array([best_f1_threshold(event, probability)]))
        # The kernel is cut off after eight scales, which leaves 7e-4 of it.
        assert found[0] > smoothed_f1(event, probability, expit(cuts)).max() - 2e-3


@settings(deadline=None)
@given(st.lists(st.tuples(PROBABILITY, st.booleans()), min_size=1, max_size=30), st.randoms(use_true_random=False))
@example([(0.0, True), (1.0, False)], None)
def test_a_threshold_lies_among_the_forecasts_and_flags_at_least_the_highest(
    rows: list[tuple[float, bool]], order: Any
) -> None:
    probability, event = np.array([p for p, _ in rows]), np.array([failed for _, failed in rows])
    threshold = best_f1_threshold(event, probability)
    assert np.isnan(threshold) == (not event.any())
    if event.any():
        assert probability.min() <= threshold <= probability.max()
        if order is not None:
            turned = np.array(order.sample(range(len(rows)), len(rows)))
            assert best_f1_threshold(event[turned], probability[turned]) == threshold


def test_where_flagging_every_row_is_best_rounding_does_not_leave_the_lowest_out() -> None:
    """The lowest, expit(-4), does not come back from its log-odds to the bit."""
    event = np.repeat([True, False, False], REPEATS)
    probability = np.repeat(expit([-4.0, -3.0, 2.0]), REPEATS)
    assert best_f1_threshold(event, probability) == probability.min()
    assert f1(event, probability, best_f1_threshold(event, probability)) == pytest.approx(0.5)


@pytest.mark.parametrize("close", [(0.0, 1e-13), (0.3, np.nextafter(0.3, 1)), (0.3, 0.3 + 1e-9), (0.3, 0.30001)])
@pytest.mark.parametrize("event", [[True, False], [False, True]])
def test_forecasts_that_differ_by_next_to_nothing_are_flagged_together(
    close: tuple[float, float], event: list[bool]
) -> None:
    """The step between points once shrank with their distance, and the kernel grew until no memory held it."""
    assert best_f1_threshold(np.array(event), np.array(close)) == close[0]


@settings(deadline=None)
@given(st.lists(PROBABILITY, min_size=1, max_size=40))
@example([0.5, 0.5])
@example([1.0, 0.0])
def test_no_cut_point_has_a_greater_f1_to_be_expected(values: list[float]) -> None:
    probability = np.array(values)

    def expected(cut: float) -> float:
        flagged = probability >= cut
        return float(2 * probability[flagged].sum() / (flagged.sum() + probability.sum()))

    found = expected_f1_threshold(probability)
    assert found in probability
    assert expected(found) == pytest.approx(max(expected(cut) for cut in probability), abs=1e-12)


def test_without_rows_or_without_failures_to_choose_by() -> None:
    assert np.isnan(expected_f1_threshold(np.empty(0)))
    probability = np.array([[0.9], [0.8], [0.01], [0.01]])
    none = np.zeros((4, 1), dtype=bool)
    found = choose_thresholds(np.ones((4, 1), dtype=bool), none, probability)
    assert found.tolist() == [expected_f1_threshold(probability[:, 0])]
    assert (probability[:, 0] >= found[0]).tolist() == [True, True, False, False]


@pytest.mark.parametrize(("failures", "seen"), [(4, False), (5, True)])
def test_fewer_than_five_failures_are_too_few_to_choose_by(failures: int, seen: bool) -> None:
    """Those that failed were given the lowest probabilities: who looks at them flags everything."""
    probability = np.append(np.full(failures, 0.1), [0.7, 0.9, 0.9])[:, None]
    event = (np.arange(failures + 3) < failures)[:, None]
    found = choose_thresholds(np.ones_like(event), event, probability)
    assert found.tolist() == ([0.1] if seen else [0.7])


def test_rows_that_are_not_known_do_not_choose() -> None:
    rng = np.random.default_rng(5)
    probability = rng.random((300, 2))
    event, known = rng.random((300, 2)) < probability, rng.random((300, 2)) < 0.5
    found = choose_thresholds(known, event & known, probability)
    others = np.where(known, probability, rng.random((300, 2)))
    assert choose_thresholds(known, event | ~known, others).tolist() == found.tolist()


@pytest.fixture(scope="module")
def plain_model(world: Any) -> HazardModel:
    first = world.labels.take(np.arange(2_000))
    return HazardModel.fit(world.features.head(2_000), first, [DAY_US, 3 * DAY_US], first.components, SMALL)


def test_failures_seen_before_the_horizon_is_over_do_not_choose(plain_model: HazardModel) -> None:
    """Before a horizon is over a failure is known and its absence not: such rows would all be failures."""
    rng = np.random.default_rng(6)
    n = 600
    risks = combine(rng.beta(1, 6, (n, 2, 2)), plain_model.horizons_us, plain_model.components)
    left = np.where(np.arange(n) < 300, 9 * DAY_US, DAY_US)
    time = np.where(rng.random((n, 2)) < 0.2, DAY_US // 2, NEVER)
    early = time.copy()
    early[left == DAY_US] = np.where(risks.probability[left == DAY_US, 1] < 0.2, 2 * DAY_US, NEVER)
    watched = np.repeat(left[:, None], 2, axis=1)
    found = [
        with_thresholds(plain_model, risks, Labels(times, watched, ("pump", "fan"), np.ones(n, dtype=bool)), left)
        for times in (time, early)
    ]
    assert np.isfinite(found[0].thresholds).all()
    assert found[1].thresholds[1].tolist() == found[0].thresholds[1].tolist()
    assert found[1].thresholds[0].tolist() != found[0].thresholds[0].tolist()


@pytest.fixture(scope="module")
def trained(world: Any) -> Trained:
    return train_model(
        "failure",
        world.features,
        world.examples,
        world.labels,
        FleetSpec(name="s"),
        horizons_us=(DAY_US, 7 * DAY_US),
        until=UNTIL,
        settings=SMALL,
    )


def test_training_chooses_by_the_rows_whose_horizon_is_over_when_it_ends(trained: Trained, world: Any) -> None:
    validation = trained.validation
    late = world.examples.cutoff_us >= timestamp_us(trained.calibration_from)
    over = world.examples.cutoff_us[late] + 7 * DAY_US <= timestamp_us(UNTIL)
    assert (validation.matured == over).all()
    assert 0 < over.sum() < len(over)
    assert not validation.known[~over].any()
    assert not validation.event[~over].any()
    for name, values in validation.forecasts.items():
        event, rows = validation.event[over, 0], values[over, 0]
        assert trained.thresholds[name][0] == best_f1_threshold(event, rows)
