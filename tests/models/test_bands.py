"""Bands of probabilities: against a min-max oracle, their order, what they cover, and what they may not look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from aftercast.features.labels import Labels
from aftercast.models.fit.training import apart, with_bands
from aftercast.models.hazard import HazardModel, HazardSettings, combine
from aftercast.models.hazard.probability_intervals import LEAST_ROWS, Band, fit_band
from aftercast.operations.clocks import DAY_US, NEVER

Floats = npt.NDArray[np.float64]
ROWS = st.lists(st.tuples(st.sampled_from([0.01, 0.1, 0.2, 0.5, 0.9]), st.booleans()), min_size=LEAST_ROWS, max_size=40)


def isotonic_at(probability: Floats, event: Floats, point: float) -> float:
    """Value of the isotonic regression at a point by its min-max formula (Barlow et al. 1972, theorem 1.1)."""
    levels = np.unique(probability)
    sums = np.array([[event[probability == level].sum(), (probability == level).sum()] for level in levels])
    at = int(np.flatnonzero(levels == point)[0])
    means = [
        min(sums[a : b + 1, 0].sum() / sums[a : b + 1, 1].sum() for b in range(at, len(levels))) for a in range(at + 1)
    ]
    return float(max(means))


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_at_a_forecast_of_the_later_rows_the_ends_are_those_of_both_outcomes(rows: list[tuple[float, bool]]) -> None:
    probability, event = np.array([p for p, _ in rows]), np.array([failed for _, failed in rows])
    band = fit_band(probability, event)
    assert band is not None
    for i, point in enumerate(band.forecast.tolist()):
        both = [
            isotonic_at(np.append(probability, point), np.append(event, added).astype(float), point) for added in (0, 1)
        ]
        assert [band.low[i], band.high[i]] == pytest.approx(both, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(ROWS, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_band_holds_its_forecast_and_rises_with_it(rows: list[tuple[float, bool]], asked: list[float]) -> None:
    band = fit_band(np.array([p for p, _ in rows]), np.array([failed for _, failed in rows]))
    assert band is not None
    p = np.sort(np.array(asked))
    ends = band.interval(p)
    assert ((ends[:, 0] <= p) & (p <= ends[:, 1])).all()
    assert ((ends >= 0) & (ends <= 1)).all()
    assert (np.diff(ends, axis=0) >= 0).all()


def test_bands_hold_the_true_share_of_events_of_miscalibrated_forecasts() -> None:
    """The forecasts are too extreme; 40 later periods of 400 rows, each band asked about 200 rows of known truth."""
    rng = np.random.default_rng(5)
    held, width = [], []
    for _ in range(40):
        truth = expit(rng.normal(-2, 1.2, size=600))
        forecast = expit(1.4 * logit(truth) + 0.3)
        band = fit_band(forecast[:400], rng.random(400) < truth[:400])
        assert band is not None
        low, high = band.interval(forecast[400:]).T
        held.append(((low <= truth[400:]) & (truth[400:] <= high)).mean())
        width.append((high - low).mean())
    assert np.mean(held) > 0.85
    assert np.mean(width) < 0.25


def test_without_events_nothing_is_certain_and_of_few_rows_nothing_is_said() -> None:
    band = fit_band(np.full(50, 0.1), np.zeros(50, dtype=bool))
    assert band is not None
    low, high = band.interval(np.array([0.1]))[0]
    assert low == 0
    assert high >= 1 / 51
    assert fit_band(np.full(LEAST_ROWS - 1, 0.1), np.zeros(LEAST_ROWS - 1, dtype=bool)) is None


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.integers(1, 12))
def test_cutoffs_kept_are_a_horizon_apart_and_no_other_fits_between(cutoffs: list[int], horizon: int) -> None:
    found = apart(np.array(cutoffs), horizon)
    assert found[0] == max(cutoffs)
    assert (found[:-1] - found[1:] >= horizon).all()
    for other in set(cutoffs) - set(found.tolist()):
        assert np.abs(found - other).min() < horizon


@pytest.fixture
def model(world: Any) -> HazardModel:
    quick = HazardSettings(fallback_rounds=3, members=1, workers=1)
    return HazardModel.fit(world.features, world.labels, (DAY_US, 7 * DAY_US), world.labels.components, quick)


def test_what_an_unfinished_horizon_brings_moves_no_band(model: HazardModel) -> None:
    n, days = 300, 10
    rng = np.random.default_rng(3)
    cutoff = np.tile(np.arange(days), n // days) * DAY_US
    time = np.where(rng.random((n, 2)) < 0.1, DAY_US // 2, NEVER)
    left = (days * DAY_US - cutoff)[:, None]
    hazards = rng.random((n, 2, 2)) * 0.2
    risks = combine(hazards, np.array([DAY_US, 7 * DAY_US]), ("a", "b"))

    def bands(moment: npt.NDArray[np.int64]) -> tuple[Band | None, ...]:
        labels = Labels(moment, np.broadcast_to(left, (n, 2)), ("a", "b"), np.ones(n, dtype=bool))
        return with_bands(model, risks, labels, cutoff, days * DAY_US).bands

    first = bands(time)
    unfinished = cutoff + 7 * DAY_US > days * DAY_US
    second = bands(np.where(unfinished[:, None], NEVER, time))
    assert first[1] is not None
    assert second[1] is not None
    assert first[1].high.tolist() == second[1].high.tolist()
    assert first[0] is not None
    assert second[0] is not None
    assert first[0].high.tolist() != second[0].high.tolist()


def test_a_saved_model_keeps_its_bands(model: HazardModel, world: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    band = fit_band(rng.random(60), rng.random(60) < 0.3)
    kept = HazardModel(**{**vars(model), "bands": (band, None)})
    kept.save(tmp_path)
    again = HazardModel.load(tmp_path)
    risks = again.predict(world.features)
    assert np.array_equal(again.intervals(risks), kept.intervals(risks), equal_nan=True)
    assert np.isnan(again.intervals(risks)[:, 1]).all()
    assert np.isfinite(again.intervals(risks)[:, 0]).all()
