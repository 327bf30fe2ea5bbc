"""Calibration: the identity without data, the truth with them, never an extreme."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aftercast.models.hazard.calibration import OF_ONE, Calibrator, fit_calibrator


@given(st.floats(0, 1), st.floats(0, 5), st.floats(-5, 5))
def test_a_calibrated_probability_is_never_exactly_0_or_1(p: float, slope: float, offset: float) -> None:
    assert 0 < Calibrator(slope, offset).apply(np.array([p]))[0] < 1


def test_a_calibrator_never_turns_the_order() -> None:
    p = np.linspace(0, 1, 1001)
    assert (np.diff(Calibrator(0.7, -0.4).apply(p)) >= 0).all()


@pytest.mark.parametrize("event", [np.zeros(50, dtype=bool), np.ones(50, dtype=bool)])
def test_without_both_outcomes_it_is_the_identity(event: Any) -> None:
    assert fit_calibrator(np.full(50, 0.3), event) == Calibrator()


def test_one_event_moves_it_little() -> None:
    event = np.zeros(100, dtype=bool)
    event[0] = True
    moved = fit_calibrator(np.full(100, 0.02), event).apply(np.array([0.02]))[0]
    assert moved == pytest.approx(0.02, rel=0.5)


def test_with_many_events_it_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.02, 0.6, 40_000)
    event = rng.random(40_000) < truth
    logit = 2.0 * np.log(truth / (1 - truth)) + 0.5
    found = fit_calibrator(1 / (1 + np.exp(-logit)), event)
    assert np.abs(found.apply(1 / (1 + np.exp(-logit))) - truth).max() < 0.06


def test_repeated_rows_of_one_event_count_as_one() -> None:
    event = np.arange(200) < 2
    p = np.full(200, 0.03)
    repeated = fit_calibrator(np.repeat(p, 16), np.repeat(event, 16), np.full(3_200, 1 / 16))
    once = fit_calibrator(p, event)
    assert (repeated.slope, repeated.offset) == pytest.approx((once.slope, once.offset), abs=1e-4)


def test_a_component_with_few_events_stays_near_what_all_share() -> None:
    shared = Calibrator(0.8, -0.5)
    event = np.arange(100) < 10
    found = fit_calibrator(np.full(100, 0.05), event, around=shared, spread=OF_ONE)
    assert shared.offset < found.offset < shared.offset + 0.2
    assert fit_calibrator(np.full(100, 0.05), np.zeros(100, dtype=bool), around=shared) == shared


def test_missing_stays_missing() -> None:
    assert np.isnan(Calibrator().apply(np.array([np.nan]))[0])
