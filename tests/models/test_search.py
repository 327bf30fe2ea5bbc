"""Search of settings: the same search finds the same, sees nothing after its end, and believes the held fold alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FeatureSettings, FleetSpec
from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.fit import tuning as module
from aftercast.models.fit.settings_file import NAMES, described_settings, read_settings, write_settings
from aftercast.models.fit.tuning import Found, search, settings_of, tuned
from aftercast.models.fit.tuning_folds import Fold, Ground, Loss, compared
from aftercast.models.hazard import HazardSettings
from aftercast.operations.clocks import parse_time, timestamp_us
from aftercast.operations.errors import NotEnoughDataError, SettingsError

UNTIL = parse_time("2025-05-01")
TABLES = ("devices", "customers", "telemetry", "faults", "failures", "repairs")


def lean(spec: FleetSpec) -> FleetSpec:
    """One component, two sensors, one horizon and few windows, so that a model takes less than a second."""
    return spec.model_copy(
        update={
            "components": spec.components[:1],
            "sensors": spec.sensors[:2],
            "rules": (),
            "horizons": ("7d",),
            "features": FeatureSettings(windows=("24h",), trend_window="24h", event_windows=("168h",)),
            "training": spec.training.model_copy(update={"minimum_failures": 3, "cutoff_every": "96h"}),
        }
    )


def found_in(workspace: Workspace, **changed: Any) -> Found:
    asked: dict[str, Any] = {"until": UNTIL, "folds": 3, "trials": 3, "seed": 1}
    return search("failure", workspace.store, lean(workspace.fleet), **asked | changed)


@pytest.fixture(scope="module")
def found(fleet_workspace: Workspace) -> Found:
    return found_in(fleet_workspace)


def test_the_defaults_come_first_and_each_trial_is_another(found: Found) -> None:
    assert found.trials[0].values == tuned(HazardSettings())
    assert len({tuple(trial.values.values()) for trial in found.trials}) == 3
    assert all(len(trial.losses) == 2 and not trial.pruned for trial in found.trials)


def test_the_best_has_the_lowest_mean_loss_of_the_folds_searched(found: Found) -> None:
    means = [np.mean(trial.losses) for trial in found.trials]
    assert found.best == found.trials[int(np.argmin(means))]
    assert len(set(means)) > 1


def test_each_fold_ends_a_horizon_before_the_next_training(found: Found) -> None:
    ends = [*(fold.until for fold in found.folds[1:]), timestamp_us(UNTIL)]
    for fold, end in zip(found.folds, ends, strict=True):
        assert fold.until <= fold.tests[0]
        assert fold.tests[-1] + found.horizon_us <= end
    assert found.to_dict()["folds"][-1]["held"]
    assert [fold["held"] for fold in found.to_dict()["folds"]] == [False, False, True]


def test_the_same_search_finds_the_same_and_another_seed_other_trials(found: Found, fleet_workspace: Workspace) -> None:
    again = found_in(fleet_workspace)
    assert (again.trials, again.verdict) == (found.trials, found.verdict)
    assert [trial.values for trial in found_in(fleet_workspace, seed=2, trials=2).trials] != [
        trial.values for trial in found.trials[:2]
    ]


def test_nothing_known_after_its_end_changes_a_bit(found: Found, fleet_workspace: Workspace, tmp_path: Path) -> None:
    """The store as it was then, with failures of every device told of too late."""
    cut, store = create_workspace(tmp_path / "cut", fleet_workspace.fleet), fleet_workspace.store
    known = [Batch(table, store.read(table, known_at=UNTIL), table) for table in TABLES]
    ingest(cut.store, known, cut.fleet, origin="cut")
    devices = store.read("devices", known_at=UNTIL)["device_id"].unique()
    component = cut.fleet.component_names[0]
    early = {"device_id": devices, "event_time": UNTIL - pd.Timedelta(days=45), "component": component}
    late = pd.DataFrame(early | {"available_at": UNTIL + pd.Timedelta(microseconds=1)})
    ingest(cut.store, [Batch("failures", late, "late")], cut.fleet, origin="late")
    assert found_in(cut).trials == found.trials
    in_time = late.assign(available_at=UNTIL - pd.Timedelta(days=1))
    ingest(cut.store, [Batch("failures", in_time, "told")], cut.fleet, origin="told")
    assert found_in(cut, trials=2).trials != found.trials[:2]
    cut.store.database.dispose()


def test_hopeless_settings_are_given_up_after_a_fold(
    fleet_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the sixth trial on every booster has one round of a thousand leaves."""
    tried: list[HazardSettings] = []

    def worse(ground: Ground, fold: Fold, settings: HazardSettings) -> Loss:
        if settings not in tried:
            tried.append(settings)
        return Loss(np.array([float(len(tried))]), np.array([1.0]))

    monkeypatch.setattr(Ground, "loss", worse)
    trials = found_in(fleet_workspace, folds=4, trials=8).trials
    assert [trial.pruned for trial in trials] == [False] * 5 + [True] * 3
    assert [len(trial.losses) for trial in trials] == [3] * 5 + [1] * 3


def test_no_trial_begins_after_the_minutes_are_over(fleet_workspace: Workspace) -> None:
    assert len(found_in(fleet_workspace, minutes=0.0, trials=9).trials) == 2


def test_the_verdict_is_a_paired_difference_by_device_by_hand() -> None:
    """Two devices with 2 and 1 pairs: differences -2 and 0 of 3 pairs."""
    verdict = compared(
        Loss(np.array([1.0, 2.0]), np.array([2.0, 1.0])), Loss(np.array([3.0, 2.0]), np.array([2.0, 1.0]))
    )
    assert (verdict.best, verdict.default) == (1.0, 5 / 3)
    assert verdict.difference == pytest.approx(-2 / 3)
    away = np.array([-2 + 2 / 3 * 2, 0 + 2 / 3])
    assert verdict.standard_error == pytest.approx(np.sqrt(2 * (away**2).sum()) / 3)
    assert verdict.better
    assert verdict.sentence.startswith("Use the best settings: -0.66667 ± 0.44444")


def test_a_difference_within_its_error_is_not_believed() -> None:
    verdict = compared(Loss(np.array([1.0, 2.0]), np.ones(2)), Loss(np.array([3.0, 1.9]), np.ones(2)))
    assert verdict.difference < 0
    assert not verdict.better
    assert verdict.sentence.startswith("Keep the defaults: the best has -0.95000 ±")


def test_a_difference_that_every_device_shares_is_believed() -> None:
    pairs = np.full(20, 10.0)
    verdict = compared(Loss(np.full(20, 1.0), pairs), Loss(np.full(20, 2.0), pairs))
    assert verdict.better
    assert verdict.sentence.startswith("Use the best settings: -0.10000 ± 0.00000")


@pytest.mark.parametrize("better", [True, False])
def test_what_to_train_with_is_the_best_only_where_the_held_fold_says_so(
    fleet_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, better: bool
) -> None:
    verdict = compared(Loss(np.full(9, 1.0), np.ones(9)), Loss(np.full(9, 2.0 if better else 1.0), np.ones(9)))
    monkeypatch.setattr(Ground, "verdict", lambda *_: verdict)
    monkeypatch.setattr(module, "_mean", lambda trial: -trial.number)
    found = found_in(fleet_workspace, trials=2)
    assert found.best.number == 1
    assert found.settings == (settings_of(found.best.values, 1) if better else HazardSettings(seed=1))


def test_a_lower_learning_rate_gets_more_rounds() -> None:
    usual = HazardSettings()
    half = settings_of({"learning_rate": usual.learning_rate / 2})
    assert (half.rounds, half.fallback_rounds) == (2 * usual.rounds, 2 * usual.fallback_rounds)
    assert settings_of({}) == usual


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"folds": 1}, SettingsError, "1 folds and 3 trials"),
        ({"trials": 1}, SettingsError, "3 folds and 1 trials"),
        ({"folds": 12}, NotEnoughDataError, "is shorter than the horizon"),
        ({"until": parse_time("1999-01-01")}, NotEnoughDataError, "the store knew no events"),
    ],
)
def test_a_search_that_cannot_be_is_refused(
    fleet_workspace: Workspace, changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        found_in(fleet_workspace, **changed)


def test_a_settings_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    chosen = settings_of({"learning_rate": 0.0123456789, "num_leaves": 9, "members": 2, "lambda_l2": 0.1})
    write_settings(chosen, tmp_path / "tuned.toml", "two\nlines")
    assert read_settings(tmp_path / "tuned.toml") == replace(chosen, workers=HazardSettings().workers)
    assert (tmp_path / "tuned.toml").read_text(encoding="utf-8").startswith("# two\n# lines\nlearning_rate = ")
    assert set(described_settings(chosen)) == set(NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_leafs = 4", "unknown key 'num_leafs', did you mean 'num_leaves'"),
        ("learning_rate = 0.0\nfeature_fraction = 1.5", "learning_rate: .*; feature_fraction: "),
        ("leaf = 'many'", "leaf: Input should be a valid integer"),
    ],
)
def test_a_settings_file_with_what_there_is_not_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_settings(tmp_path / "own.toml")
