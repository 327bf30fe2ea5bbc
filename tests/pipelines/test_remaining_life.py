"""Remaining life from a workspace: trained once, champion by merit, safe when killed, forecasts that drop nobody."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import ViewType
from tests.pipelines.units import BEGAN, DAY, FAILED, RUNNING, SPEC, add, filled, tables, timed

from aftercast.cli.main import run as aftercast
from aftercast.data.fleet import Sensor
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.forecast import DistributionForecast
from aftercast.models.kind import BacktestRequest, Reading, Training, TrainingRequest
from aftercast.models.kinds import kind_of
from aftercast.models.kinds.remaining_life.assessment import Judged, honest_intervals, judge
from aftercast.models.kinds.remaining_life.from_store import FailedUnits, asked_of, failed_units
from aftercast.models.kinds.remaining_life.kind import LifeOptions
from aftercast.models.kinds.remaining_life.running import running_units
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.metadata import Metadata, library_versions, spec_hash
from aftercast.models.registry.runs import log_training
from aftercast.models.registry.versions import (
    KEY_TAG,
    champion_version,
    client,
    load_champion,
    model_name,
    newest_version,
    promote,
    register,
)
from aftercast.models.scoring.forecast_store import make_forecasts, stored_forecasts
from aftercast.operations.clocks import parse_time
from aftercast.operations.errors import (
    InputError,
    LookAheadError,
    ModelMismatchError,
    NotEnoughDataError,
    NotFoundError,
    SettingsError,
)
from aftercast.pipelines.runs import Done
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train

KIND: Final = "remaining-life"
SOON: Final = pd.Timedelta(microseconds=1)
OPTIONS: Final = LifeOptions(cap=50, folds=3, youngest=10, rounds=40, learning_rate=0.1)
SETTINGS: Final = RemainingLifeSettings(cap=50, folds=3, youngest=10, rounds=40, learning_rate=0.1)
NOISE: Final = SPEC.model_copy(update={"sensors": (Sensor(name="setting_load"), Sensor(name="hum"))})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Filled, nothing trained; to be read only."""
    return filled(tmp_path_factory.mktemp("life") / "fleet")


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tracking database without any run: MLflow takes seconds to make one."""
    blank = create_workspace(tmp_path_factory.mktemp("tracking") / "fleet", SPEC)
    client(blank).search_experiments()
    return blank.path("mlflow.db")


def tracked(workspace: Workspace, tracking: Path) -> Workspace:
    """Workspace with a copy of the tracking database."""
    with closing(sqlite3.connect(tracking)) as old, closing(sqlite3.connect(workspace.path("mlflow.db"))) as new:
        old.backup(new)
    return workspace


@pytest.fixture
def own(tracking: Path, tmp_path: Path) -> Workspace:
    """Filled, for a test to train in."""
    return tracked(filled(tmp_path / "fleet"), tracking)


@pytest.fixture(scope="module")
def trained(tracking: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, Any]]:
    """Filled, trained and scored once; to be read only."""
    made = tracked(filled(tmp_path_factory.mktemp("trained") / "fleet"), tracking)
    result = train(made).result
    run_score(made)
    return made, result


@pytest.fixture(scope="module")
def judged(workspace: Workspace) -> tuple[FailedUnits, Judged]:
    """What the training keeps, made by the functions it calls."""
    store, asked = workspace.store, asked_of(workspace.fleet)
    until = store.observed_until()
    assert until is not None
    units = failed_units(Reading(store, workspace.fleet, store.version(), until), asked, SETTINGS)
    chosen = replace(SETTINGS, setting_columns=units.asked.settings, sensor_columns=units.asked.sensors)
    return units, judge(units.frame, chosen)


@pytest.fixture(scope="module")
def training(workspace: Workspace) -> Training:
    """What the kind makes for a training to keep."""
    until = workspace.store.observed_until()
    assert until is not None
    asked = TrainingRequest(
        workspace.store, workspace.fleet, workspace.store.version(), until, seed=0, settings=OPTIONS
    )
    return kind_of(KIND).train(asked)


def train(workspace: Workspace, *, until: pd.Timestamp | None = None, **options: Any) -> Done:
    """Train with the options of the tests but for those named."""
    return run_train(workspace, KIND, until=until, settings=OPTIONS.model_copy(update=options))


def backtest(workspace: Workspace, until: pd.Timestamp | None = None) -> dict[str, Any]:
    """Report of a backtest."""
    asked = () if until is None else (until.isoformat(),)
    return kind_of(KIND).backtest(workspace, BacktestRequest(KIND, train_until=asked, settings=OPTIONS), None).to_dict()


def forecasts(workspace: Workspace, cutoff: pd.Timestamp | None = None) -> list[DistributionForecast]:
    """Stored forecasts as a list gives them: most urgent first, those that cannot be judged last."""
    found = cast("list[DistributionForecast]", stored_forecasts(workspace.database, KIND, cutoff)[1])
    return sorted(found, key=lambda each: (not each.ranks, [-rank for rank in each.ranks], each.entity_id))


def about(result: dict[str, Any]) -> Metadata:
    """What is written beside the model of a result."""
    facts = {"component": result["component"], "units": result["units"], "longest_cycles": longest()}
    return Metadata(
        kind=KIND,
        key=result["key"],
        until=result["until"],
        data_version=result["data_version"],
        seed=0,
        spec_hash=spec_hash(SPEC),
        libraries=library_versions(),
        facts=facts,
    )


def longest(until: pd.Timestamp | None = None) -> int:
    """Cycles of the unit that ran longest of those that had failed."""
    frames = tables()
    known = frames["failures"] if until is None else frames["failures"].query("event_time <= @until")
    counts = frames["telemetry"]["device_id"].value_counts()
    return int(counts[known["device_id"].tolist()].max())


def runs_of(workspace: Workspace, key: str) -> list[str]:
    """States of the runs of a key."""
    tracking = client(workspace)
    experiment = tracking.get_experiment_by_name(model_name(KIND))
    found = tracking.search_runs(
        [experiment.experiment_id], f"tags.`{KEY_TAG}` = '{key}'", run_view_type=ViewType.ACTIVE_ONLY
    )
    return sorted(run.info.status for run in found)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints that has to end well."""
    with pytest.raises(SystemExit) as ended:
        aftercast(list(words))
    assert ended.value.code == 0
    return capsys.readouterr().out


def versions(workspace: Workspace) -> int:
    return len(client(workspace).search_model_versions(f"name = '{model_name(KIND)}'"))


def test_a_training_is_kept_beside_its_baselines_and_becomes_champion(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, result = trained
    assert result["units"] == FAILED
    assert result["sensors"] == ["heat", "flow", "hum"]
    assert result["settings"] == ["setting_load"]
    assert result["metrics"]["aftercast"]["rmse"][0] < 0.8 * result["metrics"]["age only"]["rmse"][0]
    assert result["champion"] is True
    assert "better than the age baseline" in result["decision"]
    logged = client(workspace).get_run(result["run_id"])
    assert logged.data.metrics["model.rmse"] == pytest.approx(result["metrics"]["aftercast"]["rmse"][0])
    assert logged.data.metrics["age_only.score"] == pytest.approx(result["metrics"]["age only"]["score"][0])
    assert logged.data.metrics["coverage.all"] == pytest.approx(result["intervals"]["all"]["coverage"][0])
    assert logged.data.params["units"] == str(FAILED)
    files = {path.name for path in Path(logged.info.artifact_uri).rglob("*") if path.is_file()}
    assert {"predicted_and_true.png", "coverage_by_stage.png", "report.json", "metrics.json", "metadata.json"} <= files
    assert not {name for name in files if name.endswith((".pkl", ".pickle"))}


def test_the_same_training_is_done_once(trained: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, result = trained
    again = train(workspace)
    assert (again.repeated, again.result) == (True, result)
    assert versions(workspace) == 1


def test_the_champion_comes_back_answering_to_the_bit(
    trained: tuple[Workspace, dict[str, Any]], judged: tuple[FailedUnits, Judged]
) -> None:
    workspace, result = trained
    loaded, (units, made) = load_champion(workspace, KIND), judged
    expected = made.training.model.predict(units.frame, every_row=True)
    pd.testing.assert_frame_equal(loaded.model.predict(units.frame, every_row=True), expected, check_exact=True)
    assert loaded.metadata == about(result)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(workspace.mlflow_address)
    try:
        found = mlflow.pyfunc.load_model("models:/aftercast-remaining-life@champion").predict(units.frame)
    finally:
        mlflow.set_tracking_uri(before)
    pd.testing.assert_frame_equal(found, made.training.model.predict(units.frame), check_exact=True)


def test_a_model_of_noise_is_kept_but_never_replaces_a_champion_or_becomes_one(own: Workspace) -> None:
    noise = Workspace(own.folder, own.settings, NOISE)
    first = train(noise).result
    assert (first["version"], first["champion"]) == ("1", False)
    assert "no better than the age baseline" in first["decision"]
    with pytest.raises(NotFoundError, match="no better than the age baseline") as refused:
        run_score(noise)
    assert "aftercast train remaining-life" in refused.value.hint
    assert train(own).result["champion"] is True
    worse = train(noise, rounds=20).result
    assert "Not champion: no better than the age baseline" in worse["decision"]
    written = newest_version(own, KIND, worse["key"])
    assert written is not None
    assert (written.version, written.decision, written.champion) == ("3", worse["decision"], False)
    assert load_champion(own, KIND).version == "2"
    better = train(own, rounds=45).result
    assert "Champion: better than the age baseline" in better["decision"]
    assert load_champion(own, KIND).version == better["version"] == "4"


@pytest.mark.parametrize("point", ["while logging", "after logging", "after registering", "after promoting"])
def test_what_was_left_by_a_kill_is_finished_once(
    own: Workspace, trained: tuple[Workspace, dict[str, Any]], training: Training, point: str
) -> None:
    """The state of each point is made by the functions of the training, which then runs from its start."""
    first = about(trained[1])
    if point == "while logging":
        tracking = client(own)
        dead = tracking.create_run(tracking.create_experiment(model_name(KIND), own.mlflow_artifacts))
        tracking.set_tag(dead.info.run_id, KEY_TAG, first.key)
    else:
        run_id = log_training(own, training, first)
        if point != "after logging":
            found = register(own, KIND, run_id, first.key, first.until)
            if point == "after promoting":
                promote(own, found, training.gate)
        assert (champion_version(own, KIND) is None) == (point != "after promoting")
    done = train(own)
    assert (done.repeated, done.result["key"]) == (False, first.key)
    assert done.result["metrics"] == trained[1]["metrics"]
    assert runs_of(own, first.key) == (["FINISHED", "KILLED"] if point == "while logging" else ["FINISHED"])
    assert versions(own) == 1
    assert load_champion(own, KIND).version == "1"


def test_facts_known_later_change_no_training_until_then(own: Workspace) -> None:
    until = BEGAN + 90 * DAY
    before = train(own, until=until).result
    late = own.store.read("telemetry", known_at=until, device_ids=["U1", "U26"])
    corrected = late.assign(heat=late["heat"] - 50, flow=0.0, available_at=until + SOON)
    told = {"device_id": "U26", "event_time": BEGAN + 20 * DAY, "component": "rotor", "available_at": until + SOON}
    add(own, {"failures": timed(pd.DataFrame([told])), "telemetry": corrected})
    after = train(own, until=until)
    assert after.repeated is False
    same = ("units", "metrics", "intervals", "against_age", "until")
    assert {name: after.result[name] for name in same} == {name: before[name] for name in same}
    soon = backtest(own, until + SOON)
    assert soon["units"] == before["units"] + 1
    assert soon["models"] != before["metrics"]


def test_units_that_cannot_be_judged_are_kept_and_say_what_is_needed(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    found = forecasts(trained[0])
    units = {each.entity_id: each for each in found}
    assert set(units) == {*(f"U{k}" for k in range(FAILED, FAILED + RUNNING)), "U99"}
    assert [each.entity_id for each in found][-2:] == ["U24", "U99"]
    for name, cycles in (("U24", 4), ("U99", 0)):
        unit = units[name]
        assert unit.facts["cycles"] == cycles
        assert [unit.expected, unit.cautious, unit.lower, unit.upper, unit.facts["stage"], unit.urgency] == [None] * 6
        assert f"{cycles} cycles since 2025-01-01, 11 are needed" in unit.notices[0]
        said = kind_of(KIND).answer(unit)
        assert (said.sentence, said.reason) == ("The remaining life cannot be judged", " ".join(unit.notices))
    assert units["U99"].data_as_of is None


def test_the_most_urgent_has_the_least_cautious_life_and_says_at_least_where_it_is_open(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    early = forecasts(trained[0])[: RUNNING - 1]
    cautious = [cast("float", each.cautious) for each in early]
    assert cautious == sorted(cautious)
    assert len(set(cautious)) > 1
    for each in early:
        text = f"at least {each.lower:.0f}" if each.upper is None else f"{each.lower:.0f} to {each.upper:.0f}"
        assert f"(90% interval: {text})" in kind_of(KIND).answer(each).sentence


def test_forecasts_are_those_of_the_model_until_the_cutoff_and_mark_units_older_than_all_it_learnt_from(
    own: Workspace,
) -> None:
    cutoff = BEGAN + 92 * DAY
    train(own, until=cutoff)
    run_score(own, cutoff=cutoff)
    loaded = load_champion(own, KIND)
    asked = asked_of(own.fleet)
    rows = running_units(Reading(own.store, own.fleet, 1, cutoff), asked, loaded.model.settings).frame
    assert rows["cycle"].max() == 92
    expected = loaded.model.predict(rows).set_index("unit")
    assert {name for name in expected.index if int(name[1:]) < FAILED}  # units that fail later still run
    units = {each.entity_id: each for each in forecasts(own, cutoff)}
    oldest = longest(cutoff)
    outlived = {name for name, each in units.items() if f"at most {oldest} cycles" in " ".join(each.notices)}
    assert outlived == {name for name, each in units.items() if each.facts["cycles"] > oldest}
    assert set() < outlived < set(units)
    judged = {name: each.expected for name, each in units.items() if each.cautious is not None}
    assert judged == {str(unit): round(float(value), 2) for unit, value in expected["remaining"].items()}


def test_a_scoring_from_before_what_the_champion_learnt_is_refused(trained: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, result = trained
    with pytest.raises(LookAheadError, match="after the cutoff"):
        run_score(workspace, cutoff=pd.Timestamp(result["until"]) - SOON)
    with pytest.raises(InputError, match="later than the data"):
        run_score(workspace, cutoff=pd.Timestamp(result["until"]) + DAY)


def test_a_model_scores_at_once_although_its_data_end_between_two_cutoffs(own: Workspace) -> None:
    until = own.store.observed_until()
    assert until is not None
    noon = until + DAY / 2
    cycle = own.store.read("telemetry", device_ids=["U26"]).tail(1).assign(event_time=noon, available_at=noon)
    add(own, {"telemetry": cycle})
    train(own)
    (run,) = run_score(own)["runs"]
    assert pd.Timestamp(run["cutoff"]) == noon
    assert run_score(own)["runs"][0]["repeated"] is True


def test_a_fleet_spec_that_lost_a_sensor_is_refused(trained: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, _ = trained
    loaded, until = load_champion(workspace, KIND), parse_time(trained[1]["until"])
    noise = Workspace(workspace.folder, workspace.settings, NOISE)
    with pytest.raises(ModelMismatchError, match="'flow'"):
        make_forecasts(noise, loaded, until, version=workspace.store.version())


def test_a_workspace_without_data_or_without_enough_units_says_so(own: Workspace, tmp_path: Path) -> None:
    empty = create_workspace(tmp_path / "empty", SPEC)
    with pytest.raises(NotEnoughDataError, match="no data"):
        train(empty)
    with pytest.raises(NotEnoughDataError, match=r"24 units run to a failure .* 13 folds need 26"):
        train(own, folds=13)


def test_a_backtest_has_every_unit_in_one_fold_and_the_figures_of_the_training(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, result = trained
    report = backtest(workspace)
    assert report["models"] == result["metrics"]
    assert report["intervals_by_other_folds"] == result["intervals"]
    assert [fold["units"] for fold in report["folds"]] == [8, 8, 8]
    squares = np.array([fold["models"]["aftercast"]["rmse"][0] ** 2 for fold in report["folds"]])
    assert np.sqrt(squares.mean()) == pytest.approx(result["metrics"]["aftercast"]["rmse"][0])
    shares = [fold["intervals_by_other_folds"]["all"]["coverage"][0] for fold in report["folds"]]
    whole = report["intervals_by_other_folds"]["all"]["coverage"]
    assert np.mean(shares) == pytest.approx(whole[0])
    assert whole[1] <= whole[0] <= whole[2]
    assert versions(workspace) == 1


def test_intervals_of_a_fold_do_not_depend_on_the_lives_of_its_units(judged: tuple[FailedUnits, Judged]) -> None:
    training = judged[1].training
    first = training.outside.fold == 0
    longer = replace(training.outside, life=np.where(first, 5.0, training.outside.life))
    before, after = (honest_intervals(each) for each in (training, replace(training, outside=longer)))
    np.testing.assert_array_equal(after.lower[first], before.lower[first])
    np.testing.assert_array_equal(after.upper[first], before.upper[first])
    assert not np.array_equal(after.upper[~first], before.upper[~first])


def test_the_commands_print_what_a_planner_and_a_machine_read(
    own: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(own.folder)]
    pairs = ("cap=50", "folds=3", "youngest=10", "rounds=40", "learning-rate=0.1")
    asked = [KIND, *(word for pair in pairs for word in ("--set", pair)), *place]
    shown = printed(capsys, "train", *asked)
    assert "age only" in shown
    assert "Version 1 of aftercast-remaining-life" in shown
    assert json.loads(printed(capsys, "train", *asked, "--json"))["repeated"] is True
    assert json.loads(printed(capsys, "score", "--json", *place))["runs"][0]["notice"] == "5 of 7 running units judged."
    assert "11 are needed" in printed(capsys, "explain", KIND, "U24", *place)
    told = json.loads(printed(capsys, "explain", KIND, "U26", "--json", *place))
    assert (told["unit"], told["component"]) == ("cycles", "rotor")
    assert f"{told['expected']:.0f} cycles left" in told["sentence"]
    report, page, rows = tmp_path / "report.json", tmp_path / "page.html", tmp_path / "rows.parquet"
    files = ["--json", str(report), "--html", str(page), "--forecasts", str(rows)]
    assert "Fold by fold" in printed(capsys, "backtest", *asked, *files)
    assert len(json.loads(report.read_text(encoding="utf-8"))["folds"]) == 3
    assert "age only" in page.read_text(encoding="utf-8")
    compared = json.loads(printed(capsys, "compare", KIND, f"{rows}:age only", str(rows), "--json"))
    assert "B is better" in compared["verdict"]
    assert compared["difference"][2] < 0


def test_what_means_nothing_to_a_backtest_of_it_is_refused_by_name(workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match=r"--horizon, --retrain, --shift means nothing"):
        kind_of(KIND).backtest(workspace, BacktestRequest(KIND, horizon="7d", retrain="daily", shift=False), None)


def test_a_retired_unit_is_kept_and_says_so(own: Workspace) -> None:
    end = own.store.observed_until()
    retired = {"device_id": "U25", "device_model": "M", "installed_at": BEGAN, "retired_at": end, "available_at": end}
    add(own, {"devices": timed(pd.DataFrame([retired]))})
    train(own)
    run_score(own)
    units = {each.entity_id: each for each in forecasts(own)}
    assert units["U25"].notices[0].startswith("Retired")
    assert {name for name, each in units.items() if each.facts["retired"]} == {"U25"}
