"""Remaining life from a workspace: trained once, champion by merit, safe when killed, lists that drop nobody."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import ViewType
from typer.testing import CliRunner, Result

from aftercast.cli.commands.remaining_life import remaining_life
from aftercast.data.fleet import Component, FleetSpec, Sensor
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.importer import ingest
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.models.kinds.remaining_life import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.assessment import Judged, honest_intervals, judge
from aftercast.models.kinds.remaining_life.from_store import FailedUnits, asked_of, failed_units
from aftercast.models.kinds.remaining_life.registered import KIND, About, keep, load_champion_life, record_of
from aftercast.models.kinds.remaining_life.running import running_units
from aftercast.models.kinds.remaining_life.trajectories import RecipeSettings
from aftercast.models.registry.metadata import library_versions, spec_hash
from aftercast.models.registry.runs import log_plain
from aftercast.models.registry.versions import KEY_TAG, champion_version, client, find_version, model_name, register
from aftercast.operations.clocks import parse_time
from aftercast.operations.errors import (
    InputError,
    LookAheadError,
    ModelMismatchError,
    NotEnoughDataError,
    NotFoundError,
)
from aftercast.pipelines.remaining_life import life_backtest, list_remaining_lives, run_life_training

BEGAN: Final = parse_time("2025-01-01")
DAY, SOON = pd.Timedelta(days=1), pd.Timedelta(microseconds=1)
SETTINGS: Final = RemainingLifeSettings(
    cap=50,
    seeds=(0,),
    every=1,
    rounds=40,
    learning_rate=0.1,
    folds=3,
    youngest=10,
    recipe=RecipeSettings(baseline=10, recent=5, drifts=(5, 20), slopes=(20,)),
)
SPEC: Final = FleetSpec(
    name="life",
    sensors=tuple(Sensor(name=name) for name in ("setting_load", "heat", "flow", "hum")),
    components=(Component(name="rotor", repairable=False),),
)
NOISE: Final = SPEC.model_copy(update={"sensors": (Sensor(name="setting_load"), Sensor(name="hum"))})
FAILED, RUNNING = 24, 6


def tables() -> dict[str, pd.DataFrame]:
    """Units run to failure, units still running of which one is too young, and one that never reported."""
    rng = np.random.default_rng(3)
    devices, telemetry, failures = [], [], []
    for unit in range(FAILED + RUNNING):
        name, life = f"U{unit}", int(rng.integers(45, 100))
        seen = life if unit < FAILED else 4 if unit == FAILED else int(life * rng.uniform(0.4, 0.95))
        wear = (np.arange(1, seen + 1) / life) ** 2
        times = BEGAN + np.arange(1, seen + 1) * DAY
        values = {
            "setting_load": np.ones(seen),
            "heat": 500 + 10 * wear + rng.normal(0, 1, seen),
            "flow": 80 - 4 * wear + rng.normal(0, 0.4, seen),
            "hum": rng.normal(0, 1, seen),
        }
        telemetry.append(pd.DataFrame({"device_id": name, "event_time": times, "available_at": times, **values}))
        devices.append({"device_id": name, "device_model": "M", "installed_at": BEGAN, "available_at": BEGAN})
        if unit < FAILED:
            moment = times[-1] + DAY
            failures.append({"device_id": name, "event_time": moment, "component": "rotor", "available_at": moment})
    devices.append({"device_id": "U99", "device_model": "M", "installed_at": BEGAN, "available_at": BEGAN})
    frames = {"devices": pd.DataFrame(devices), "failures": pd.DataFrame(failures), "telemetry": pd.concat(telemetry)}
    return {name: timed(frame) for name, frame in frames.items()}


def timed(frame: pd.DataFrame) -> pd.DataFrame:
    times = [name for name in frame.columns if name.endswith(("_at", "_time"))]
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]") for name in times})


def add(workspace: Workspace, frames: dict[str, pd.DataFrame]) -> None:
    report = ingest(workspace.store, [Batch(n, f, n) for n, f in frames.items()], workspace.fleet, origin="test")
    assert all(table.quarantined == {} for table in report.tables.values())


def filled(folder: Path) -> Workspace:
    """Workspace of two device buckets, which are soon read."""
    create_workspace(folder, SPEC)
    file = folder / "aftercast.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("device_buckets = 8", "device_buckets = 2"))
    workspace = open_workspace(folder)
    assert workspace.store.device_buckets == 2
    add(workspace, tables())
    return workspace


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
    """Filled and trained once; to be read only."""
    made = tracked(filled(tmp_path_factory.mktemp("trained") / "fleet"), tracking)
    return made, run_life_training(made, settings=SETTINGS).result


@pytest.fixture(scope="module")
def judged(workspace: Workspace) -> tuple[FailedUnits, Judged]:
    """What the training keeps, made by the functions it calls."""
    store, asked = workspace.store, asked_of(workspace.fleet)
    until = store.observed_until()
    assert until is not None
    units = failed_units(store, workspace.fleet, asked, SETTINGS, version=store.version(), known_at=until)
    chosen = replace(SETTINGS, setting_columns=units.asked.settings, sensor_columns=units.asked.sensors)
    return units, judge(units.frame, chosen)


def about(result: dict[str, Any]) -> About:
    """What is written beside the model of a result."""
    return About(
        key=result["key"],
        until=result["until"],
        data_version=result["data_version"],
        component=result["component"],
        units=result["units"],
        longest_cycles=longest(),
        spec_hash=spec_hash(SPEC),
        libraries=library_versions(),
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


def aftercast(*words: str) -> Result:
    """Run a command of the sub-app."""
    return CliRunner().invoke(remaining_life, list(words))


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
    assert logged.data.metrics["aftercast.rmse"] == pytest.approx(result["metrics"]["aftercast"]["rmse"][0])
    assert logged.data.metrics["age_only.score"] == pytest.approx(result["metrics"]["age only"]["score"][0])
    assert logged.data.metrics["coverage.all"] == pytest.approx(result["intervals"]["all"]["coverage"][0])
    assert logged.data.params["units"] == str(FAILED)
    files = {path.name for path in Path(logged.info.artifact_uri).rglob("*") if path.is_file()}
    assert {"predicted_and_true.png", "coverage_by_stage.png", "report.json", "about.json"} <= files
    assert not {name for name in files if name.endswith((".pkl", ".pickle"))}


def test_the_same_training_is_done_once(trained: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, result = trained
    again = run_life_training(workspace, settings=replace(SETTINGS, workers=1))
    assert (again.repeated, again.result) == (True, result)
    assert versions(workspace) == 1


def test_the_champion_comes_back_answering_to_the_bit(
    trained: tuple[Workspace, dict[str, Any]], judged: tuple[FailedUnits, Judged]
) -> None:
    workspace, result = trained
    loaded, (units, made) = load_champion_life(workspace), judged
    expected = made.training.model.predict(units.frame, every_row=True)
    pd.testing.assert_frame_equal(loaded.model.predict(units.frame, every_row=True), expected, check_exact=True)
    assert loaded.about == about(result)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(workspace.mlflow_address)
    try:
        found = mlflow.pyfunc.load_model("models:/aftercast-remaining-life@champion").predict(units.frame)
    finally:
        mlflow.set_tracking_uri(before)
    pd.testing.assert_frame_equal(found, made.training.model.predict(units.frame), check_exact=True)


def test_a_model_of_noise_is_kept_but_never_replaces_a_champion_or_becomes_one(own: Workspace) -> None:
    noise = Workspace(own.folder, own.settings, NOISE)
    first = run_life_training(noise, settings=SETTINGS).result
    assert (first["version"], first["champion"]) == ("1", False)
    assert "no better than the age baseline" in first["decision"]
    with pytest.raises(NotFoundError, match="remaining-life train"):
        list_remaining_lives(noise)
    assert run_life_training(own, settings=SETTINGS).result["champion"] is True
    worse = run_life_training(noise, settings=replace(SETTINGS, rounds=20)).result
    assert "Version 2 stays champion" in worse["decision"]
    written = find_version(own, KIND, worse["key"])
    assert written is not None
    assert (written.version, written.decision, written.champion) == ("3", worse["decision"], False)
    assert load_champion_life(own).version.version == "2"
    better = run_life_training(own, settings=replace(SETTINGS, rounds=45)).result
    assert "replaces version 2" in better["decision"]
    assert load_champion_life(own).version.version == better["version"] == "4"


@pytest.mark.parametrize("point", ["while logging", "after logging", "after registering", "after promoting"])
def test_what_was_left_by_a_kill_is_finished_once(
    own: Workspace, trained: tuple[Workspace, dict[str, Any]], judged: tuple[FailedUnits, Judged], point: str
) -> None:
    """The state of each point is made by the functions of the training, which then runs from its start."""
    first, (units, made) = about(trained[1]), judged
    if point == "while logging":
        tracking = client(own)
        dead = tracking.create_run(tracking.create_experiment(model_name(KIND), own.mlflow_artifacts))
        tracking.set_tag(dead.info.run_id, KEY_TAG, first.key)
    elif point == "after promoting":
        keep(own, made, units, first)
    else:
        run_id = log_plain(own, record_of(made, units, first))
        if point == "after registering":
            register(own, KIND, run_id, first.key)
        assert champion_version(own, KIND) is None
    done = run_life_training(own, settings=SETTINGS)
    assert (done.repeated, done.result["key"]) == (False, first.key)
    assert done.result["metrics"] == trained[1]["metrics"]
    assert runs_of(own, first.key) == (["FINISHED", "KILLED"] if point == "while logging" else ["FINISHED"])
    assert versions(own) == 1
    assert load_champion_life(own).version.version == "1"


def test_facts_known_later_change_no_training_until_then(own: Workspace) -> None:
    until = BEGAN + 90 * DAY
    before = run_life_training(own, until=until, settings=SETTINGS).result
    late = own.store.read("telemetry", known_at=until, device_ids=["U1", "U26"])
    corrected = late.assign(heat=late["heat"] - 50, flow=0.0, available_at=until + SOON)
    told = {"device_id": "U26", "event_time": BEGAN + 20 * DAY, "component": "rotor", "available_at": until + SOON}
    add(own, {"failures": timed(pd.DataFrame([told])), "telemetry": corrected})
    after = run_life_training(own, until=until, settings=SETTINGS)
    assert after.repeated is False
    same = ("units", "metrics", "intervals", "against_age", "until")
    assert {name: after.result[name] for name in same} == {name: before[name] for name in same}
    soon = life_backtest(own, until=until + SOON, settings=SETTINGS)
    assert soon["units"] == before["units"] + 1
    assert soon["models"] != before["metrics"]


def test_the_list_keeps_units_it_cannot_judge_and_says_what_is_needed(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    found = list_remaining_lives(trained[0])
    units = {row["unit"]: row for row in found["units"]}
    assert set(units) == {*(f"U{k}" for k in range(FAILED, FAILED + RUNNING)), "U99"}
    assert [row["unit"] for row in found["units"]][-2:] == ["U24", "U99"]
    for name, cycles in (("U24", 4), ("U99", 0)):
        assert units[name]["cycles"] == cycles
        answers = [units[name][each] for each in ("remaining", "cautious", "lower", "upper", "interval", "stage")]
        assert answers == [None] * 6
        assert f"{cycles} cycles since 2025-01-01, 11 are needed" in units[name]["notice"]
    assert units["U99"]["last_cycle_at"] is None


def test_the_list_begins_with_the_least_cautious_life_and_says_at_least_where_it_is_open(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, _ = trained
    early = list_remaining_lives(workspace)["units"][: RUNNING - 1]
    cautious = [row["cautious"] for row in early]
    assert cautious == sorted(cautious)
    assert len(set(cautious)) > 1
    for row in early:
        text = f"at least {row['lower']:.0f}" if row["open_above"] else f"{row['lower']:.0f} to {row['upper']:.0f}"
        assert row["interval"] == text
        assert (row["upper"] is None) == row["open_above"]


def test_the_list_answers_as_the_model_does_until_the_cutoff_and_marks_units_older_than_all_it_learnt_from(
    own: Workspace,
) -> None:
    cutoff = BEGAN + 92 * DAY
    run_life_training(own, until=cutoff, settings=SETTINGS)
    found = list_remaining_lives(own, cutoff=cutoff)
    loaded = load_champion_life(own)
    asked = loaded.asked(own.fleet)
    rows = running_units(own.store, own.fleet, asked, loaded.model.settings, version=1, known_at=cutoff).frame
    assert rows["cycle"].max() == 92
    expected = loaded.model.predict(rows).set_index("unit")
    assert {name for name in expected.index if int(name[1:]) < FAILED}  # units that fail later still run
    units = {row["unit"]: row for row in found["units"]}
    oldest = longest(cutoff)
    outlived = {name for name, row in units.items() if f"at most {oldest} cycles" in (row["notice"] or "")}
    assert outlived == {name for name, row in units.items() if row["cycles"] > oldest}
    assert set() < outlived < set(units)
    judged = {name: row["remaining"] for name, row in units.items() if row["cautious"] is not None}
    assert judged == {str(unit): round(float(value), 2) for unit, value in expected["remaining"].items()}


def test_a_list_from_before_what_the_champion_learnt_is_refused(trained: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, result = trained
    with pytest.raises(LookAheadError, match="after the cutoff"):
        list_remaining_lives(workspace, cutoff=pd.Timestamp(result["until"]) - SOON)
    with pytest.raises(InputError, match="later than the data"):
        list_remaining_lives(workspace, cutoff=pd.Timestamp(result["until"]) + DAY)


def test_a_fleet_spec_that_lost_a_sensor_is_refused(trained: tuple[Workspace, dict[str, Any]]) -> None:
    workspace, _ = trained
    with pytest.raises(ModelMismatchError, match="'flow'"):
        list_remaining_lives(Workspace(workspace.folder, workspace.settings, NOISE))


def test_a_workspace_without_data_or_without_enough_units_says_so(own: Workspace, tmp_path: Path) -> None:
    empty = create_workspace(tmp_path / "empty", SPEC)
    with pytest.raises(NotEnoughDataError, match="no data"):
        run_life_training(empty, settings=SETTINGS)
    with pytest.raises(NotEnoughDataError, match=r"24 units run to a failure .* 13 folds need 26"):
        run_life_training(own, settings=replace(SETTINGS, folds=13))


def test_a_backtest_has_every_unit_in_one_fold_and_the_figures_of_the_training(
    trained: tuple[Workspace, dict[str, Any]],
) -> None:
    workspace, result = trained
    report = life_backtest(workspace, settings=SETTINGS)
    assert report["models"] == result["metrics"]
    assert report["intervals_by_other_folds"] == result["intervals"]  # not those widened by the units themselves
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


def test_the_commands_print_what_a_planner_and_a_machine_read(own: Workspace, tmp_path: Path) -> None:
    place = ["--workspace", str(own.folder)]
    asked = ["--cap", "50", "--folds", "2", *place]
    shown = aftercast("train", *asked).stdout
    assert "age only" in shown
    assert "Version 1 of aftercast-remaining-life" in shown
    assert json.loads(aftercast("train", "--json", *asked).stdout)["repeated"] is True
    found = json.loads(aftercast("list", "--top", "1", "--json", *place).stdout)
    assert found["counts"] == {"judged": 5, "not_judged": 2, "retired_left_out": 0}
    assert [row["cautious"] is None for row in found["units"]] == [False, True, True]
    assert "21 are needed" in aftercast("list", *place).stdout
    report = tmp_path / "report.json"
    assert "Fold by fold" in aftercast("backtest", "--json", str(report), *asked).stdout
    assert len(json.loads(report.read_text(encoding="utf-8"))["folds"]) == 2
    assert isinstance(aftercast("list", "--cutoff", "2025-01-20", *place).exception, LookAheadError)


def test_retired_units_can_be_left_out_of_the_list(own: Workspace) -> None:
    run_life_training(own, settings=SETTINGS)
    end = own.store.observed_until()
    retired = {"device_id": "U25", "device_model": "M", "installed_at": BEGAN, "retired_at": end, "available_at": end}
    add(own, {"devices": timed(pd.DataFrame([retired]))})
    whole, some = (
        json.loads(aftercast("list", "--json", *words, "-w", str(own.folder)).stdout) for words in ([], ["--in-field"])
    )
    notices = {row["unit"]: row["notice"] for row in whole["units"]}
    assert notices["U25"].startswith("Retired")
    assert {row["unit"] for row in some["units"]} == set(notices) - {"U25"}
    assert some["counts"]["retired_left_out"] == 1
