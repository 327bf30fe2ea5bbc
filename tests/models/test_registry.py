"""A model in the registry is whole, loads without pickle, and is champion only when it deserves it."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.features.labels import Labels
from aftercast.models.hazard import HazardModel
from aftercast.models.kind import Gate, Training
from aftercast.models.metadata import Metadata, library_versions, spec_hash
from aftercast.models.registry.runs import log_training
from aftercast.models.registry.versions import (
    KEY_TAG,
    Version,
    champion_version,
    client,
    load_champion,
    load_version,
    newest_version,
    promote,
    promote_by_hand,
    register,
)
from aftercast.operations.audit.lines import AuditError
from aftercast.operations.audit.reading import newest_entries
from aftercast.operations.clocks import DAY_US, NEVER
from aftercast.operations.errors import ModelMismatchError, NotFoundError

ROWS = 400
HORIZONS = (DAY_US, 7 * DAY_US)
PASSED, FAILED = Gate(passed=True, why="better."), Gate(passed=False, why="worse than the base rate.")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "fleet", FleetSpec(name="registry"))


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    wear = chance.normal(size=ROWS).astype(np.float32)
    wear[::17] = np.nan
    return pd.DataFrame({"wear": wear, "device_model": pd.Categorical(chance.choice(["A", "B"], ROWS))})


@pytest.fixture(scope="module")
def model(features: pd.DataFrame) -> HazardModel:
    soon = np.nan_to_num(features["wear"].to_numpy()) > 1
    time = np.where(soon, DAY_US // 2, NEVER).astype(np.int64)[:, None]
    labels = Labels(time, np.full((ROWS, 1), 30 * DAY_US, dtype=np.int64), ("pump",), np.ones(ROWS, dtype=bool))
    return HazardModel.fit(features, labels, HORIZONS, ("pump",))


Made = tuple[Training, Metadata]


def record(model: HazardModel, features: pd.DataFrame, key: str = "k1") -> Made:
    metadata = Metadata(
        kind="failure",
        key=key,
        until="2025-01-01T00:00:00+00:00",
        data_version=3,
        seed=0,
        horizons=("1d", "7d"),
        components=("pump",),
        spec_hash=spec_hash(FleetSpec(name="registry")),
        dictionary_hash="d",
        libraries=library_versions(),
    )
    metrics = {"model": {"pr_auc": 0.5, "nothing": float("nan")}, "base_rate": {"pr_auc": 0.1, "zero": 0.0}}
    training = Training(
        model=model,
        metrics=metrics,
        gate=PASSED,
        params={"rows": ROWS},
        figures={},
        asked=features,
        answered=model.table(features),
        texts={"feature_dictionary.json": "[]"},
    )
    return training, metadata


def registered(workspace: Workspace, made: Made) -> Version:
    metadata = made[1]
    return register(workspace, "failure", log_training(workspace, *made), metadata.key, metadata.until)


def test_a_champion_comes_back_predicting_to_the_bit(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    made = record(model, features)
    promote(workspace, registered(workspace, made), PASSED)
    loaded = load_champion(workspace, "failure")
    np.testing.assert_array_equal(loaded.model.predict(features).probability, model.predict(features).probability)
    assert loaded.metadata == made[1]
    assert (loaded.version, loaded.kind) == ("1", "failure")


def test_any_tool_that_knows_mlflow_can_load_it_and_nothing_is_pickled(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    version = registered(workspace, record(model, features))
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(workspace.mlflow_address)
    try:
        loaded = mlflow.pyfunc.load_model("models:/aftercast-failure/1")
        found = loaded.predict(features.astype({"device_model": object}))
    finally:
        mlflow.set_tracking_uri(before)
    assert list(found.columns) == ["any_1d", "pump_1d", "any_7d", "pump_7d"]
    np.testing.assert_array_equal(found["any_7d"], model.predict(features).any_probability[:, 1])
    run = client(workspace).get_run(version.run_id)
    files = {path.suffix for path in Path(run.info.artifact_uri).rglob("*") if path.is_file()}
    assert not files & {".pkl", ".pickle", ".joblib"}


def test_a_run_holds_parameters_metrics_of_all_models_and_the_features(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    run = client(workspace).get_run(registered(workspace, record(model, features)).run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"model.pr_auc": 0.5, "base_rate.pr_auc": 0.1, "base_rate.zero": 0.0}
    assert (run.data.params["data_version"], run.data.params["rows"]) == ("3", str(ROWS))
    assert run.data.params["dictionary_hash"] == "d"
    assert "library.lightgbm" in run.data.params
    assert (Path(run.info.artifact_uri) / "feature_dictionary.json").is_file()


def test_one_key_makes_one_run_and_one_version(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    made = record(model, features)
    assert registered(workspace, made) == registered(workspace, made)
    assert registered(workspace, record(model, features, key="k2")).version == "2"
    found = newest_version(workspace, "failure", "k1")
    assert found is not None
    assert found.version == "1"


def test_a_run_that_was_killed_is_marked_and_done_anew(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    made = record(model, features)
    tracking = client(workspace)
    dead = tracking.create_run(tracking.create_experiment("aftercast-failure", workspace.mlflow_artifacts))
    tracking.set_tag(dead.info.run_id, KEY_TAG, "k1")
    run_id = log_training(workspace, *made)
    assert run_id != dead.info.run_id
    assert tracking.get_run(dead.info.run_id).info.status == "KILLED"
    assert tracking.get_run(run_id).info.status == "FINISHED"


def test_a_registered_version_is_not_champion_until_it_is_promoted(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    registered(workspace, record(model, features))
    assert champion_version(workspace, "failure") is None
    with pytest.raises(NotFoundError, match="aftercast train failure"):
        load_champion(workspace, "failure")


def test_a_model_worse_than_the_base_rate_leaves_the_champion_in_place(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    promote(workspace, registered(workspace, record(model, features)), PASSED)
    worse = promote(
        workspace,
        registered(workspace, record(model, features, "k2")),
        FAILED,
    )
    assert worse.champion is False
    assert "worse than the base rate" in worse.decision
    assert load_champion(workspace, "failure").version == "1"
    better = promote(workspace, registered(workspace, record(model, features, "k3")), PASSED)
    assert load_champion(workspace, "failure").version == better.version == "3"


def test_of_promotions_at_once_the_model_trained_until_latest_is_champion(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    run_id = registered(workspace, record(model, features)).run_id
    days = [f"2025-01-{day:02d}T00:00:00+00:00" for day in (3, 7, 2, 6, 4, 5)]
    versions = [register(workspace, "failure", run_id, day, day) for day in days]
    together = threading.Barrier(len(versions))

    def promoted(version: Version) -> Version:
        together.wait()
        return promote(workspace, version, PASSED)

    with ThreadPoolExecutor(len(versions)) as pool:
        found = list(pool.map(promoted, versions))
    champion = champion_version(workspace, "failure")
    assert champion is not None
    assert champion.until == max(days)
    late = [each.until for each in found if not each.champion]
    assert max(days) not in late
    assert all("was trained until later" in each.decision for each in found if not each.champion)
    told = [each["content"]["version"] for each in newest_entries(workspace.path("audit"), len(versions))]
    assert told[0] == champion.version
    assert len(told) == len(versions) - len(late)


def test_a_promotion_that_the_audit_log_does_not_take_changes_nothing(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    promote(workspace, registered(workspace, record(model, features)), PASSED)
    before = champion_version(workspace, "failure")
    second = registered(workspace, record(model, features, "k2"))
    audit = workspace.path("audit")
    audit.rename(audit.with_name("kept"))
    audit.write_text("no folder")
    with pytest.raises(AuditError):
        promote(open_workspace(workspace.folder), second, PASSED)
    with pytest.raises(AuditError):
        promote_by_hand(open_workspace(workspace.folder), "failure", second.version)
    assert champion_version(workspace, "failure") == before
    there = newest_version(workspace, "failure", "k2")
    assert there is not None
    assert (there.champion, there.decision) == (False, "")
    audit.unlink()
    audit.with_name("kept").rename(audit)
    promote(open_workspace(workspace.folder), second, PASSED)
    (entry,) = newest_entries(audit, 1)
    assert (entry["event"], entry["content"]["version"]) == ("model.champion", second.version)
    assert entry["content"]["decision"] == "Champion: better."


def test_asking_a_workspace_without_models_makes_no_tracking_database(workspace: Workspace) -> None:
    assert champion_version(workspace, "churn") is None
    assert not workspace.path("mlflow.db").exists()


def test_a_version_that_is_not_there_is_an_error_with_a_hint(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    registered(workspace, record(model, features))
    with pytest.raises(NotFoundError, match="aftercast mlflow"):
        load_version(workspace, "failure", "9")


def test_metadata_of_another_version_of_aftercast_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text('{"kind": "failure"}')
    with pytest.raises(ModelMismatchError, match="another version"):
        Metadata.read(tmp_path)


def test_loading_leaves_no_copy_of_the_model_behind(
    fleet_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    load_champion(fleet_workspace, "failure")
    assert list(tmp_path.iterdir()) == []


def log_files(workspace: Workspace, run_id: str) -> list[str]:
    place = Path(client(workspace).get_run(run_id).info.artifact_uri)
    assert place.is_relative_to(workspace.folder), "artifacts of another workspace"
    return sorted(path.name for path in (place / "model").iterdir())


def test_a_workspace_that_was_moved_has_its_champion_and_keeps_new_runs_where_it_is_now(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    made = promote(workspace, registered(workspace, record(model, features)), PASSED)
    moved = open_workspace(workspace.folder.rename(workspace.folder.with_name("moved")))
    loaded = load_champion(moved, "failure")
    np.testing.assert_array_equal(loaded.model.predict(features).probability, model.predict(features).probability)
    later = registered(moved, record(model, features, "k2"))
    assert log_files(moved, later.run_id) == log_files(moved, made.run_id) != []
    assert not workspace.folder.exists()


def test_a_copy_of_a_workspace_neither_reads_nor_writes_files_of_the_original(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame
) -> None:
    made = promote(workspace, registered(workspace, record(model, features)), PASSED)
    copy = copied(workspace)
    before = sorted(workspace.path("mlflow-artifacts").rglob("*"))
    later = registered(copy, record(model, features, "k2"))
    assert log_files(copy, later.run_id) == log_files(copy, made.run_id) != []
    assert sorted(workspace.path("mlflow-artifacts").rglob("*")) == before
    assert log_files(workspace, made.run_id), "the original has its own paths still"


def test_artifacts_that_were_put_elsewhere_by_another_setting_stay_there(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = registered(workspace, record(model, features))
    monkeypatch.setenv("AFTERCAST_MLFLOW__ARTIFACTS", "newer-artifacts")
    workspace.path("newer-artifacts", "aftercast-failure").mkdir(parents=True)
    changed = open_workspace(workspace.folder)
    assert client(changed).get_run(made.run_id).info.artifact_uri == str(
        workspace.path("mlflow-artifacts", "aftercast-failure", made.run_id, "artifacts").resolve()
    )


def test_a_copy_whose_database_cannot_be_written_says_so_and_is_read_as_it_is(
    workspace: Workspace, model: HazardModel, features: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    promote(workspace, registered(workspace, record(model, features)), PASSED)
    copy = copied(workspace)
    with closing(sqlite3.connect(copy.path("mlflow.db"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with caplog.at_level(logging.WARNING):
            loaded = load_champion(copy, "failure")
    assert "database is locked" in caplog.text
    np.testing.assert_array_equal(loaded.model.predict(features).probability, model.predict(features).probability)


def copied(workspace: Workspace) -> Workspace:
    folder = workspace.folder.with_name("copy")
    shutil.copytree(workspace.folder, folder, ignore=shutil.ignore_patterns("*.db", "*.db-*"))
    for name in ("mlflow.db", "aftercast.db"):
        with closing(sqlite3.connect(workspace.path(name))) as old, closing(sqlite3.connect(folder / name)) as new:
            old.backup(new)  # read as a file, it would lose the locks that this process holds
    return open_workspace(folder)
