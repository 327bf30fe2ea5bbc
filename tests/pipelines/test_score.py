"""Days that were missed are caught up, once, and never silently left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.hazard.forecast import HazardForecast
from aftercast.models.kind import Gate
from aftercast.models.registry.versions import CHAMPION, client, model_name, newest_version, promote
from aftercast.models.scoring.forecast_store import stored_forecasts
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.forecasts import ForecastSet, newest_set, write_set
from aftercast.operations.errors import InputError, NotEnoughDataError, NotFoundError
from aftercast.pipelines.score import MOST_MISSED, missed, run_score

DAY = pd.Timedelta(days=1)
MIDNIGHT = pd.Timestamp("2025-08-15", tz="UTC")


@pytest.fixture
def empty(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "fleet", FleetSpec(name="score"))


def scored(workspace: Workspace, cutoff: pd.Timestamp) -> None:
    write_set(workspace.database, ForecastSet("failure", cutoff, "1", 1, ("7d",), ("pump",)), [])


def test_where_nothing_was_scored_only_the_latest_cutoff_of_the_grid_is_due(empty: Workspace) -> None:
    assert missed(empty, "failure", MIDNIGHT + pd.Timedelta(hours=13)) == ([MIDNIGHT], [])
    assert missed(empty, "failure", MIDNIGHT) == ([MIDNIGHT], [])


def test_three_missed_days_are_all_due_and_said(empty: Workspace) -> None:
    scored(empty, MIDNIGHT - 3 * DAY)
    due, told = missed(empty, "failure", MIDNIGHT)
    assert due == [MIDNIGHT - 2 * DAY, MIDNIGHT - DAY, MIDNIGHT]
    assert len(told) == 1
    assert "3 failure cutoffs were missed" in told[0]


@pytest.mark.parametrize("days", [0, 1])
def test_without_a_missed_day_the_latest_cutoff_is_due_without_a_word(empty: Workspace, days: int) -> None:
    scored(empty, MIDNIGHT - days * DAY)
    assert missed(empty, "failure", MIDNIGHT) == ([MIDNIGHT], [])


def test_what_is_left_out_of_a_long_gap_is_counted(empty: Workspace) -> None:
    scored(empty, MIDNIGHT - 100 * DAY)
    due, told = missed(empty, "failure", MIDNIGHT)
    assert len(due) == MOST_MISSED
    assert due[-1] == MIDNIGHT
    assert f"{100 - MOST_MISSED} before them are left out" in told[0]


def test_a_cutoff_between_grid_points_does_not_shift_the_grid(empty: Workspace) -> None:
    scored(empty, MIDNIGHT - 2 * DAY + pd.Timedelta(hours=7))
    due, _ = missed(empty, "failure", MIDNIGHT)
    assert due == [MIDNIGHT - DAY, MIDNIGHT]


def test_the_gap_of_one_kind_is_not_that_of_another(empty: Workspace) -> None:
    scored(empty, MIDNIGHT - 5 * DAY)
    assert missed(empty, "churn", MIDNIGHT) == ([MIDNIGHT], [])


def test_an_empty_store_says_to_import(empty: Workspace) -> None:
    with pytest.raises(NotEnoughDataError, match="aftercast import"):
        run_score(empty)


def latest(workspace: Workspace) -> pd.Timestamp:
    found = newest_set(workspace.database, "failure")
    assert found is not None
    return found.cutoff


def test_every_device_at_risk_has_one_score_with_finite_probabilities(fleet_workspace: Workspace) -> None:
    found, stored = stored_forecasts(fleet_workspace.database, "failure")
    scores = cast("list[HazardForecast]", stored)
    snapshot = load_snapshot(snapshot_path(fleet_workspace.folder, "failure"))
    assert [score.entity_id for score in scores] == list(snapshot.ids)
    assert found.size == len(scores) > 0
    assert all(score.any_interval[0] is not None for score in scores)
    for score in scores:
        assert all(0 <= risk <= 1 for risks in (score.any_risk, *score.risks.values()) for risk in risks)
        assert list(score.any_risk) == sorted(score.any_risk)
        assert score.any_risk[-1] >= max(risks[-1] for risks in score.risks.values())
        assert len(score.any_interval) == len(score.any_risk)
        for risk, ends in zip(score.any_risk, score.any_interval, strict=True):
            assert ends is None or 0 <= ends[0] <= risk <= ends[1] <= 1
        assert score.evidence in {"telemetry", "history", "cohort"}


def test_drivers_are_told_with_value_unit_and_what_is_usual(fleet_workspace: Workspace) -> None:
    scores = cast("list[HazardForecast]", stored_forecasts(fleet_workspace.database, "failure")[1])
    drivers = [driver for score in scores for driver in score.drivers]
    assert any("usual for model" in driver.text and driver.unit in driver.text for driver in drivers if driver.unit)
    assert all(len(score.drivers) <= 5 for score in scores)
    assert all(d.value is not None or re.search("not known|never reported|so far", d.text) for d in drivers)
    ages = [d.text for d in drivers if d.value is None and re.fullmatch(r"E-.*_age_hours", d.feature)]
    assert all(text.endswith(" never reported") for text in ages)


def test_scoring_again_repeats_nothing_and_an_earlier_cutoff_leaves_the_service_its_rows(own_fleet: Workspace) -> None:
    newest = latest(own_fleet)
    again = run_score(own_fleet)
    assert all(run["repeated"] for run in again["runs"])
    earlier = run_score(own_fleet, cutoff=newest - 5 * DAY)
    assert not any(run["repeated"] for run in earlier["runs"])
    assert load_snapshot(snapshot_path(own_fleet.folder, "failure")).cutoff == newest
    assert latest(own_fleet) == newest


def test_a_cutoff_beyond_the_data_is_refused(fleet_workspace: Workspace) -> None:
    until = fleet_workspace.store.observed_until()
    assert until is not None
    with pytest.raises(InputError, match="later than the data"):
        run_score(fleet_workspace, cutoff=until + DAY)


def test_a_workspace_without_a_model_says_to_train(own_fleet: Workspace) -> None:
    settings = own_fleet.settings.mlflow.model_copy(update={"address": "sqlite:///other.db"})
    other = Workspace(own_fleet.folder, own_fleet.settings.model_copy(update={"mlflow": settings}), own_fleet.fleet)
    with pytest.raises(NotFoundError, match="aftercast train"):
        run_score(other)


def test_without_a_champion_the_error_says_what_became_of_the_newest_model(own_fleet: Workspace) -> None:
    mlflow = client(own_fleet)
    for kind in ("failure", "churn"):
        mlflow.delete_registered_model_alias(model_name(kind), CHAMPION)
    newest = newest_version(own_fleet, "failure")
    assert newest is not None
    promote(own_fleet, newest, Gate(passed=False, why="worse than the base rate."))
    with pytest.raises(NotFoundError, match="Version 1 of aftercast-failure: Not champion: worse than"):
        run_score(own_fleet)


def test_without_any_model_the_error_says_to_train(empty: Workspace) -> None:
    assert newest_version(empty, "failure") is None
