"""Shift of the base rate: what is counted, what it does to a model, and that nothing after a cutoff is read for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.models.conftest import World

from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.features.labels import Labels, load_outcome
from aftercast.models.examples.cases import build_cases
from aftercast.models.fit.base_rate_shift import (
    Shift,
    known_starts,
    no_shift,
    shift_of,
    window_starts,
)
from aftercast.models.fit.shift_windows import Watched
from aftercast.models.hazard import HazardModel, HazardSettings
from aftercast.models.hazard.calibration import moved
from aftercast.models.hazard.probability_intervals import Band
from aftercast.models.judge.backtest import backtest
from aftercast.models.kinds import hazard_kind
from aftercast.models.registry.versions import Loaded, load_champion
from aftercast.models.scoring.fleet import judge, with_shift
from aftercast.models.scoring.snapshot import Snapshot, take_snapshot
from aftercast.models.scoring.snapshot_file import load_snapshot, save_snapshot
from aftercast.operations.clocks import DAY_US, NEVER, parse_time, timestamp_us

DAY = pd.Timedelta(days=1)
WEEK_US = 7 * DAY_US
NOW, TRAINED = parse_time("2025-05-20"), parse_time("2025-04-01")


def shift(seen: tuple[int, ...], expected: tuple[float, ...], windows: int = 1) -> Shift:
    return Shift(tuple("abc"[: len(seen)]), seen, expected, windows, WEEK_US)


def test_the_factor_is_the_posterior_mean_of_a_rate_worth_fifty_events() -> None:
    assert shift((100,), (50.0,)).factor == 150 / 100
    assert shift((0,), (0.0,)).factor == 1.0
    assert shift((0,), (50.0,)).factor == 0.5


def test_a_component_nothing_is_known_of_moves_with_the_others() -> None:
    found = shift((200, 0), (100.0, 0.0))
    assert found.factor == 250 / 150
    assert found.factors == pytest.approx([(200 + 50 * 5 / 3) / 150, 5 / 3])


def test_a_row_counts_as_far_as_it_was_watched_and_one_that_was_gone_not_at_all() -> None:
    half, gone = WEEK_US // 2, np.array([True, True, True, False])
    time = np.array([[DAY_US], [NEVER], [NEVER], [DAY_US]])
    labels = Labels(time, np.array([[WEEK_US], [WEEK_US], [half], [WEEK_US]]), ("pump",), gone)
    found = shift_of(np.array([[0.5], [0.2], [0.4], [0.9]]), labels, WEEK_US, 1)
    assert found.seen == (1,)
    assert found.expected == pytest.approx((0.5 + 0.2 + 0.2,))


def test_an_event_after_the_window_is_none_of_it() -> None:
    labels = Labels(np.array([[WEEK_US], [WEEK_US + 1]]), np.full((2, 1), 2 * WEEK_US), ("pump",), np.ones(2, bool))
    assert shift_of(np.full((2, 1), 0.1), labels, WEEK_US, 1).seen == (1,)


@pytest.mark.parametrize(
    ("trained", "end", "starts"), [(0, 9, []), (0, 10, [0]), (3, 35, [25, 15, 5]), (50, 10, []), (0, 500, None)]
)
def test_windows_lie_one_after_another_after_the_training(trained: int, end: int, starts: list[int] | None) -> None:
    assert window_starts(trained, end, 10) == (list(range(490, 370, -10)) if starts is None else starts)


@pytest.fixture(scope="module")
def model(make_world: Callable[..., World]) -> tuple[HazardModel, World]:
    world = make_world(devices=40, days=20)
    settings = HazardSettings(fallback_rounds=20, members=2)
    horizons = [DAY_US, WEEK_US]
    made = HazardModel.fit(world.features, world.labels, horizons, ("pump", "fan"), settings, rare=("fan",))
    band = Band(np.array([0.0, 0.3, 1.0]), np.array([0.0, 0.1, 0.9]), np.array([0.1, 0.6, 1.0]))
    return replace(made, thresholds=np.array([[0.2, 0.5, np.nan]] * 2), bands=(band, None)), world


def test_the_odds_of_a_component_move_by_its_factor_whether_it_has_boosters_or_a_base_rate(
    model: tuple[HazardModel, World],
) -> None:
    own, world = model
    matrix = own.schema.matrix(world.features)
    there = own.shifted(np.log([2.0, 3.0]), np.log(2.5))
    before, after = own.hazards(matrix), there.hazards(matrix)
    for c, factor in enumerate((2.0, 3.0)):
        odds = before[..., c] / (1 - before[..., c])
        assert after[..., c] == pytest.approx(odds * factor / (1 + odds * factor), rel=1e-9)


def test_thresholds_and_bands_move_along(model: tuple[HazardModel, World]) -> None:
    there = model[0].shifted(np.log([2.0, 3.0]), np.log(4.0))
    assert there.thresholds[0, :2] == pytest.approx([1 / 3, 0.75])
    assert np.isnan(there.thresholds[:, 2]).all()
    assert there.bands[1] is None
    assert there.bands[0] is not None
    assert there.bands[0].forecast.tolist() == [0.0, float(moved(np.array([0.3]), np.log(4.0))[0]), 1.0]
    assert there.bands[0].high == pytest.approx([4 / 13, 6 / 7, 1.0])


def test_a_model_is_itself_where_no_window_is_over(model: tuple[HazardModel, World]) -> None:
    assert no_shift(model[0]).apply(model[0]) is model[0]
    assert no_shift(model[0]).sentence == ""


def test_the_sentence_says_what_came_what_was_forecast_and_what_is_done() -> None:
    assert shift((100,), (50.0,), 2).sentence == (
        "In 14 days since the training 100 events came and 50.0 were forecast: odds are multiplied by 1.50."
    )


@pytest.fixture(scope="module")
def older(fleet_workspace: Workspace) -> Loaded:
    """The champion, had it been trained until April."""
    loaded = load_champion(fleet_workspace, "failure")
    return replace(loaded, metadata=loaded.metadata.model_copy(update={"until": TRAINED.isoformat()}))


def snapshot_of(workspace: Workspace, loaded: Loaded) -> Snapshot:
    taken = take_snapshot(workspace.store, workspace.fleet, "failure", NOW)
    return with_shift(taken, loaded, workspace.store, workspace.fleet)


def test_windows_end_before_the_last_failures_could_be_unreported(fleet_workspace: Workspace) -> None:
    outcome = load_outcome(fleet_workspace.store, fleet_workspace.fleet, known_at=NOW)
    known = fleet_workspace.store.read("failures", known_at=NOW)
    delays = (known["available_at"] - known["event_time"]).dt.total_seconds() * 1e6
    delay = hazard_kind("failure").reporting_delay_us(outcome)
    assert (delays <= delay).mean() >= 0.95
    assert (delays < delay).mean() < 0.95
    starts = known_starts("failure", outcome, TRAINED, NOW, WEEK_US)
    assert timestamp_us(NOW) - delay - DAY_US < starts[0] + WEEK_US <= timestamp_us(NOW) - delay
    assert np.diff(starts).tolist() == [-WEEK_US] * (len(starts) - 1)
    assert timestamp_us(TRAINED) <= starts[-1] < timestamp_us(TRAINED) + WEEK_US


def test_customers_who_leave_are_known_at_once(fleet_workspace: Workspace) -> None:
    outcome = load_outcome(fleet_workspace.store, fleet_workspace.fleet)
    assert hazard_kind("churn").reporting_delay_us(outcome) == 0


def test_scores_are_those_of_the_moved_model_and_a_file_of_the_snapshot_keeps_them(
    fleet_workspace: Workspace, older: Loaded, tmp_path: Path
) -> None:
    found = snapshot_of(fleet_workspace, older)
    shift = found.shifts[older.version]
    assert shift.windows == 6
    assert sum(shift.seen) > 0
    assert abs(shift.factor - 1) > 0.01
    save_snapshot(found, tmp_path / "snapshot.parquet")
    back = load_snapshot(tmp_path / "snapshot.parquet")
    assert back.shifts == found.shifts
    scores = judge(older, back, fleet_workspace.fleet)
    risks = shift.apply(older.model).predict(found.features)
    assert [score.any_risk for score in scores] == [tuple(each) for each in risks.any_probability.tolist()]
    plain = judge(older, replace(found, shifts={}), fleet_workspace.fleet)
    rises = [left.any_risk > right.any_risk for left, right in zip(scores, plain, strict=True)]
    assert all(rises) if shift.factors.min() > 1 else not all(rises)


def test_a_champion_trained_until_the_cutoff_is_not_corrected(fleet_workspace: Workspace, older: Loaded) -> None:
    fresh = replace(older, metadata=older.metadata.model_copy(update={"until": NOW.isoformat()}))
    assert snapshot_of(fleet_workspace, fresh).shifts[older.version].windows == 0


def test_nothing_known_after_the_cutoff_changes_it(fleet_workspace: Workspace, older: Loaded, tmp_path: Path) -> None:
    """The store as it was at the cutoff, then late reports of failures of every device just before it."""
    ours = snapshot_of(fleet_workspace, older).shifts[older.version]
    store = fleet_workspace.store
    cut = create_workspace(tmp_path / "cut", fleet_workspace.fleet)
    tables = ("devices", "customers", "telemetry", "faults", "failures", "repairs", "purchases", "contacts")
    known = [Batch(table, store.read(table, known_at=NOW), table) for table in tables]
    ingest(cut.store, known, cut.fleet, origin="cut")
    assert snapshot_of(cut, older).shifts[older.version] == ours
    devices = store.read("devices", known_at=NOW)["device_id"].unique()
    component = cut.fleet.component_names[0]
    rows = {"device_id": devices, "event_time": NOW - 9 * DAY, "component": component}
    late = pd.DataFrame(rows | {"available_at": NOW + pd.Timedelta(microseconds=1)})
    ingest(cut.store, [Batch("failures", late, "late")], cut.fleet, origin="late")
    assert snapshot_of(cut, older).shifts[older.version] == ours
    ingest(cut.store, [Batch("failures", late.assign(available_at=NOW), "told")], cut.fleet, origin="told")
    assert sum(snapshot_of(cut, older).shifts[older.version].seen) > sum(ours.seen)
    cut.store.database.dispose()


@pytest.mark.slow
def test_a_backtest_moves_its_own_model_at_each_cutoff_and_no_other(fleet_workspace: Workspace) -> None:
    spec = fleet_workspace.fleet.model_copy(update={"components": fleet_workspace.fleet.components[:2]})
    asked: dict[str, Any] = {"train_until": TRAINED, "test_from": TRAINED + 3 * DAY, "test_until": NOW, "every": "15d"}
    told, plain = (
        backtest("failure", fleet_workspace.store, spec, horizon="7d", shift=shift, **asked).forecasts
        for shift in (True, False)
    )
    assert told is not None
    assert plain is not None
    first = told.truth.examples.cutoff_us == timestamp_us(TRAINED + 3 * DAY)
    for name, (values, thresholds) in told.values.items():
        same = first if name == "aftercast" else np.ones(len(values), dtype=bool)
        assert np.array_equal(values[same], plain.values[name][0][same])
        assert np.array_equal(thresholds[same], plain.values[name][1][same], equal_nan=True)
    (ours, theirs) = told.values["aftercast"][0], plain.values["aftercast"][0]
    odds = np.log(ours / (1 - ours)) - np.log(theirs / (1 - theirs))
    later = told.truth.examples.cutoff_us == timestamp_us(TRAINED + 33 * DAY)
    assert np.ptp(odds[later, 0]) < 0.1
    assert abs(odds[later, 0]).min() > 1e-6
    chosen, before = told.values["aftercast"][1][later, 0], plain.values["aftercast"][1][later, 0]
    assert np.log(chosen / (1 - chosen)) - np.log(before / (1 - before)) == pytest.approx(odds[later, 0], abs=0.02)
    assert np.unique(chosen).tolist() != np.unique(before).tolist()


def test_a_backtest_counts_no_failure_reported_after_the_test_cutoff(fleet_workspace: Workspace, older: Loaded) -> None:
    store, spec = fleet_workspace.store, fleet_workspace.fleet
    failures = store.read("failures")
    late = failures[failures["event_time"].between(TRAINED, NOW) & (failures["available_at"] > failures["event_time"])]
    moment = late["event_time"].iloc[-1]
    start, at = timestamp_us(moment) - WEEK_US, timestamp_us(moment)
    cases = build_cases("failure", store, spec, np.array([start]), version=store.version())
    outcome = load_outcome(store, spec)
    found = Watched(cases, {at: [start]}, outcome).shifts(older.model, [at])
    told = cases.labels(outcome.known_at(moment), moment).event_within(0, WEEK_US).sum()
    assert sum(found[at].seen) == told
    assert told < cases.labels(outcome, moment).event_within(0, WEEK_US).sum()
