"""The hazard model: monotone risks, honest censoring, files equal to the bit, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aftercast.features.labels import Labels
from aftercast.models.hazard import HazardModel, HazardSettings, combine
from aftercast.models.hazard.drivers import contributions, importance, strongest
from aftercast.models.hazard.intervals import censor, interval_rows
from aftercast.operations.clocks import DAY_US, NEVER
from aftercast.operations.errors import ModelMismatchError

HORIZONS = (DAY_US, 3 * DAY_US, 7 * DAY_US)
SMALL = HazardSettings(fallback_rounds=25, workers=1)


@pytest.fixture(scope="module")
def model(world: Any) -> HazardModel:
    fitted = HazardModel.fit(world.features, world.labels, HORIZONS, world.labels.components, SMALL)
    return fitted.calibrated_on(world.features, world.labels)[0]


@given(arrays(np.float64, (4, 3, 2), elements=st.floats(0, 1)))
@example(np.ones((4, 3, 2)))
@example(np.zeros((4, 3, 2)))
def test_risk_never_falls_with_the_horizon_and_any_is_never_below_one_component(hazards: Any) -> None:
    risks = combine(hazards, np.array(HORIZONS), ("a", "b"))
    assert (np.diff(risks.probability, axis=1) >= 0).all()
    assert (np.diff(risks.any_probability, axis=1) >= 0).all()
    assert (risks.any_probability >= risks.probability.max(axis=2)).all()
    assert ((risks.probability > 0) & (risks.probability < 1)).all()


def test_a_hazard_of_nan_stays_nan_instead_of_becoming_a_number() -> None:
    risks = combine(np.array([[[np.nan]], [[0.5]]]), np.array([DAY_US]), ("a",))
    assert np.isnan(risks.probability[0, 0, 0])
    assert risks.probability[1, 0, 0] == pytest.approx(0.5)


def test_between_horizons_the_hazard_is_constant() -> None:
    risks = combine(np.array([[[0.0], [0.75]]]), np.array([DAY_US, 3 * DAY_US]), ("a",))
    assert risks.within(2 * DAY_US)[0][0, 0] == pytest.approx(0.5)
    assert risks.within(3 * DAY_US)[1][0] == risks.any_probability[0, 1]
    with pytest.raises(ModelMismatchError, match="up to 3d, not 4d"):
        risks.within(4 * DAY_US)


def test_predicted_risk_follows_the_true_hazard(model: HazardModel, world: Any) -> None:
    risks = model.predict(world.features)
    high, low = world.features["stress"] > 1, world.features["stress"] < -1
    assert risks.probability[high, 0, 0].mean() > 5 * risks.probability[low, 0, 0].mean()
    assert risks.probability[:, 0, 0].mean() == pytest.approx(world.truth[:, 0].mean(), rel=0.1)


def test_censored_rows_do_not_move_the_rate_while_calling_them_healthy_lowers_it() -> None:
    rng = np.random.default_rng(3)
    n, span = 40_000, 10 * DAY_US
    moment = (rng.exponential(size=n) * 50 * DAY_US).astype(np.int64) + 1
    watched = (rng.uniform(0.05, 2.0, size=n) * span).astype(np.int64)
    time = np.where(moment <= watched, moment, NEVER)
    labels = Labels(time[:, None], watched[:, None], ("a",), np.ones(n, dtype=bool))
    truth = 1 - np.exp(-10 / 50)
    assert interval_rows(labels, 0, 0, span).rate == pytest.approx(truth, abs=0.012)
    assert (time <= span).mean() < truth - 0.04
    only_whole = (time <= span).sum() / ((time <= span) | (watched >= span)).sum()
    assert only_whole > truth + 0.02


def test_censoring_hides_what_happens_after_the_moment_and_keeps_what_happens_at_it() -> None:
    labels = Labels(np.array([[5], [6]]), np.array([[9], [9]]), ("a",), np.ones(2, dtype=bool))
    seen = censor(labels, np.array([0, 0]), 5)
    assert seen.time_to_event_us.ravel().tolist() == [5, NEVER]
    assert seen.follow_up_us.ravel().tolist() == [5, 5]
    assert not censor(labels, np.array([5, 4]), 5).valid[0]


def test_saved_model_predicts_equal_to_the_bit(model: HazardModel, world: Any, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = HazardModel.load(tmp_path)
    assert np.array_equal(again.predict(world.features).probability, model.predict(world.features).probability)
    assert "NaN" not in (tmp_path / "model.json").read_text()
    assert np.isnan(again.thresholds).all()


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMismatchError, match="no readable hazard model"):
        HazardModel.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ModelMismatchError, match="format 99"):
        HazardModel.load(tmp_path)


def test_other_columns_are_refused_by_name(model: HazardModel, world: Any) -> None:
    other = world.features.rename(columns={"stress": "strain"})
    with pytest.raises(ModelMismatchError, match=r"'stress'.*'strain'"):
        model.predict(other)


def test_an_unknown_device_model_counts_as_missing(model: HazardModel, world: Any) -> None:
    new = world.features.head(20).assign(device_model=pd.Categorical(["C"] * 20))
    none = world.features.head(20).assign(device_model=pd.Categorical([None] * 20, categories=["A"]))
    assert np.array_equal(model.predict(new).probability, model.predict(none).probability)


def test_the_order_of_columns_does_not_matter(model: HazardModel, world: Any) -> None:
    turned = world.features[world.features.columns[::-1]]
    assert np.array_equal(model.predict(turned).probability, model.predict(world.features).probability)


def test_a_rare_component_has_its_base_rate_everywhere(world: Any) -> None:
    fitted = HazardModel.fit(world.features, world.labels, HORIZONS, ("pump", "fan"), SMALL, rare=("fan",))
    risks = fitted.predict(world.features).probability[:, 0, 1]
    assert len(np.unique(risks)) == 1
    assert risks[0] == pytest.approx(0.01, rel=0.3)


def test_sampled_negatives_keep_the_rate(world: Any) -> None:
    rows = interval_rows(world.labels, 0, 0, DAY_US)
    sampled = rows.sampled(2000, 0)
    assert len(sampled.rows) < 2500
    assert sampled.events == rows.events
    assert sampled.rate == pytest.approx(rows.rate, rel=0.05)


def test_drivers_name_what_drives(model: HazardModel, world: Any) -> None:
    row = world.features.nlargest(1, "stress")
    driver, by = strongest(model, row, 2)
    name, contribution = model.schema.names[driver[0, 0]], by[0, 0]
    assert (name, contribution > 0) == ("stress", True)
    assert next(iter(importance(model))) == "stress"
    assert contributions(model, row).shape == (1, 5)


def test_each_member_misses_whole_devices_and_every_device_is_missed_once(world: Any) -> None:
    """A component that fails on two devices alone: the members that miss one of them have only the other's failures."""
    owner = world.examples.owner
    failing = np.isin(owner, [3, 4])
    time = np.where(failing & (np.arange(len(owner)) % 3 == 0), DAY_US, NEVER)[:, None]
    labels = Labels(time, world.labels.follow_up_us[:, :1], ("pump",), world.labels.valid)
    settings = HazardSettings(fallback_rounds=1, members=150, workers=1)
    fitted = HazardModel.fit(world.features, labels, (DAY_US,), ("pump",), settings, owner=owner)
    means = [booster.predict(fitted.schema.matrix(world.features)).mean() for booster in fitted.cells[0][0].boosters]
    events = (time <= DAY_US).sum()
    assert len(means) == 150
    few = np.array(means) < 0.75 * events / len(owner)
    assert few.sum() == 2


def test_a_hazard_is_the_mean_of_its_members(world: Any) -> None:
    settings = HazardSettings(fallback_rounds=5, members=3, workers=1)
    fitted = HazardModel.fit(world.features, world.labels, HORIZONS, ("pump", "fan"), settings)
    matrix = fitted.schema.matrix(world.features)
    cell = fitted.cells[1][0]
    each = np.array([booster.predict(matrix, num_threads=1) for booster in cell.boosters])
    assert len(each) == 3
    assert not np.array_equal(each[0], each[1])
    assert fitted.hazards(matrix, calibrated=False)[:, 1, 0] == pytest.approx(each.mean(axis=0), abs=1e-15)
    assert cell.rounds == 5
