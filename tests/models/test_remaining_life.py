"""Remaining life: skill, honest intervals, no look-ahead, files, refusals, and the turbofan engines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aftercast.data.ingest.sources.cmapss import EPOCH, NAMES, draft, read
from aftercast.models.kinds.remaining_life.conformal import misses, widening
from aftercast.models.kinds.remaining_life.distribution import answers, grid
from aftercast.models.kinds.remaining_life.folds import unit_folds
from aftercast.models.kinds.remaining_life.model import (
    RemainingLifeModel,
    Training,
    train_and_check,
)
from aftercast.models.kinds.remaining_life.scores import asymmetric_cost, covered
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories import RecipeSettings
from aftercast.operations.errors import InputError, ModelMismatchError, NotEnoughDataError

QUICK = RemainingLifeSettings(
    setting_columns=("speed",),
    cap=60,
    seeds=(0,),
    every=1,
    rounds=60,
    learning_rate=0.1,
    folds=4,
    youngest=10,
    recipe=RecipeSettings(baseline=10, recent=5, drifts=(5, 20), slopes=(20,)),
)


def fleet(units: int, seed: int) -> pd.DataFrame:
    """Run units to failure in two regimes: wear is quadratic in the share of life, read through two noisy sensors."""
    rng = np.random.default_rng(seed)
    parts = []
    for unit in range(units):
        life = int(rng.integers(60, 140))
        regime = rng.integers(2, size=life)
        wear = np.linspace(0, 1, life) ** 2
        parts.append(
            pd.DataFrame(
                {
                    "unit": unit,
                    "cycle": np.arange(1, life + 1),
                    "speed": 100.0 * regime + rng.normal(0, 0.1, life),
                    "heat": 500 + 30 * regime + 10 * wear + rng.normal(0, 1, life),
                    "flow": 80 - 20 * regime - 4 * wear + rng.normal(0, 0.4, life),
                    "hum": rng.normal(0, 1, life),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def lives(table: pd.DataFrame) -> pd.Series:
    return table.groupby("unit")["cycle"].transform("max") - table["cycle"]


@pytest.fixture(scope="module")
def training() -> Training:
    return train_and_check(fleet(48, seed=1), QUICK)


@pytest.fixture(scope="module")
def others() -> pd.DataFrame:
    return fleet(60, seed=2)


@pytest.fixture(scope="module")
def answered(training: Training, others: pd.DataFrame) -> pd.DataFrame:
    """Answers for every row of unseen units that counts, with the truth, capped."""
    life = lives(others)
    every = training.model.predict(others, every_row=True).assign(life=life, truth=np.minimum(life, QUICK.cap))
    return every[(others["cycle"] > QUICK.youngest) & (life <= QUICK.horizon * QUICK.cap)]


def test_the_point_is_far_better_than_the_age_can_be(answered: pd.DataFrame) -> None:
    error = (answered["remaining"] - answered["truth"]).to_numpy()
    by_age = answered["truth"] - answered.groupby("cycle")["truth"].transform("mean")
    assert np.sqrt(np.mean(error**2)) < 0.6 * np.sqrt(np.mean(by_age**2))


def test_intervals_hold_the_promised_share_in_every_life_stage(answered: pd.DataFrame) -> None:
    lower, upper, truth, open_above = (answered[n].to_numpy() for n in ("lower", "upper", "truth", "open_above"))
    inside = covered(lower, upper, truth, open_above)
    assert inside.mean() == pytest.approx(QUICK.coverage, abs=0.05)
    for stage, rows in answered.assign(inside=inside).groupby("stage"):
        assert rows["inside"].mean() > QUICK.coverage - 0.1, stage


def test_intervals_narrow_towards_failure(answered: pd.DataFrame) -> None:
    width = (answered["upper"] - answered["lower"]).groupby(answered["stage"]).mean()
    assert width[0] < 0.7 * width[2]


def test_an_interval_reaches_the_cap_only_as_at_least(answered: pd.DataFrame) -> None:
    assert ((answered["upper"] >= QUICK.cap) == answered["open_above"]).all()
    assert (answered["lower"] <= answered["upper"]).all()
    assert answered[["remaining", "cautious", "lower", "upper"]].ge(0).all().all()


def test_the_cautious_point_costs_less_than_the_expected_one(answered: pd.DataFrame) -> None:
    costs = {
        name: asymmetric_cost((answered[name] - answered["truth"]).to_numpy(), QUICK.early, QUICK.late).mean()
        for name in ("remaining", "cautious")
    }
    assert costs["cautious"] < costs["remaining"]


def test_cutting_the_future_changes_no_answer(training: Training, others: pd.DataFrame) -> None:
    every = training.model.predict(others, every_row=True)
    cut = others[lives(others) >= 15].reset_index(drop=True)
    kept = every[(lives(others) == 15).to_numpy()].reset_index(drop=True)
    pd.testing.assert_frame_equal(training.model.predict(cut), kept, check_exact=True)


def test_a_saved_model_gives_the_same_answers(training: Training, others: pd.DataFrame, tmp_path: Path) -> None:
    training.model.save(tmp_path / "model")
    loaded = RemainingLifeModel.load(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.predict(others), training.model.predict(others), check_exact=True)
    assert loaded.settings == training.model.settings


def test_a_folder_without_a_model_or_of_another_format_is_refused(training: Training, tmp_path: Path) -> None:
    with pytest.raises(ModelMismatchError, match="no readable"):
        RemainingLifeModel.load(tmp_path)
    training.model.save(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    (tmp_path / "model.json").write_text(json.dumps({**content, "format": 0}), encoding="utf-8")
    with pytest.raises(ModelMismatchError, match="format 0"):
        RemainingLifeModel.load(tmp_path)


def test_training_twice_gives_the_same_model(others: pd.DataFrame) -> None:
    table = fleet(8, seed=4)
    first, second = (train_and_check(table, replace(QUICK, rounds=10)).model for _ in range(2))
    pd.testing.assert_frame_equal(first.predict(others), second.predict(others), check_exact=True)


def test_few_units_are_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="7 units run to failure; 4 folds need 8"):
        train_and_check(fleet(7, seed=1), QUICK)


def test_a_frame_without_sensors_is_refused() -> None:
    with pytest.raises(InputError, match="no sensor column"):
        train_and_check(fleet(8, seed=1)[["unit", "cycle", "speed"]], QUICK)


def test_a_named_sensor_that_is_absent_is_refused(training: Training, others: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="'flow'"):
        training.model.predict(others.drop(columns="flow"))
    with pytest.raises(InputError, match="'torque'"):
        train_and_check(others, replace(QUICK, sensor_columns=("heat", "torque")))


def test_missing_sensor_values_are_refused(training: Training, others: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="'heat' is missing or infinite in 1 rows"):
        training.model.predict(others.assign(heat=others["heat"].where(others.index != 5)))


def test_the_asymmetric_cost_is_the_published_one() -> None:
    found = asymmetric_cost(np.array([-13.0, 0.0, 10.0]))
    np.testing.assert_allclose(found, [np.e - 1, 0, np.e - 1])


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(2, 6))
def test_folds_split_units_evenly(units: int, folds: int) -> None:
    counts = np.bincount(unit_folds(units, folds), minlength=folds)
    assert counts.sum() == units
    assert counts.max() - counts.min() <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.8, 0.9]))
def test_the_widening_covers_the_share_of_units_it_was_found_on(seed: int, coverage: float) -> None:
    rng = np.random.default_rng(seed)
    units = np.repeat(np.arange(40), rng.integers(1, 9, size=40))
    truth = rng.normal(size=len(units))
    extra = widening(misses(np.full(len(units), -1.0), np.full(len(units), 1.0), truth), units, coverage)
    inside = np.abs(truth) <= 1 + extra + 1e-9
    share = np.mean([inside[units == unit].mean() for unit in range(40)])
    assert coverage <= share <= coverage * (1 + 1 / 40) + 1 / 40


def test_too_few_units_for_the_coverage_have_no_finite_widening() -> None:
    assert widening(np.zeros(5), np.arange(5), 0.9) == np.inf
    assert widening(np.empty(0), np.empty(0, dtype=np.int64), 0.9) == np.inf


def test_tabulated_answers_follow_the_distribution() -> None:
    rng = np.random.default_rng(0)
    predicted = rng.uniform(0.2, 0.8, 40_000)
    truth = predicted + rng.uniform(-0.1, 0.1, 40_000)
    found = answers(predicted, truth, np.ones(40_000), coverage=0.9, early=0.1, late=0.08)
    middle = np.abs(grid() - 0.5) < 0.1
    np.testing.assert_allclose(found.mean[middle], grid()[middle], atol=0.01)
    np.testing.assert_allclose((found.upper - found.lower)[middle], 0.19, atol=0.05)
    assert (found.cautious[middle] < found.mean[middle]).all()


def engines(path: Path) -> pd.DataFrame:
    """Units in the publisher's order, through the source; a cycle is a day."""
    rows = pd.concat([batch.frame for batch in read(path, draft(path)) if batch.table == "telemetry"])
    unit = rows["device_id"].str.rsplit("-", n=1).str[-1].astype("int64")
    cycle = (rows["event_time"] - EPOCH) // pd.Timedelta(days=1)
    return rows[list(NAMES)].assign(unit=unit, cycle=cycle).sort_values(["unit", "cycle"], ignore_index=True)


@pytest.mark.real_data
def test_turbofan_engines_of_the_official_test(real_data: Path) -> None:
    """A third of the engines and few rounds are enough to be well ahead of what the age can tell (RMSE about 40)."""
    folder = real_data / "cmapss"
    train, test = engines(folder / "train_FD001.txt.gz"), engines(folder / "test_FD001.txt.gz")
    train = train[train["unit"] <= 40]
    settings = RemainingLifeSettings(seeds=(0,), rounds=80, learning_rate=0.1, folds=3)
    model = train_and_check(train, settings).model
    answer = model.predict(test)
    assert answer["unit"].tolist() == list(range(1, 101))
    truth = np.minimum(np.loadtxt(folder / "RUL_FD001.txt"), 125)
    assert np.sqrt(np.mean((answer["remaining"] - truth) ** 2)) < 14
    lower, upper, open_above = (answer[name].to_numpy() for name in ("lower", "upper", "open_above"))
    inside = covered(lower, upper, truth, open_above)
    assert 0.75 <= inside.mean() <= 0.99
