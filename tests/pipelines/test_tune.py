"""Tune: made once, kept in MLflow and in a file, and read by a training as another training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.artifacts import load_dict

from aftercast.cli.main import run as aftercast
from aftercast.data.workspace import Workspace
from aftercast.models.fit.settings_file import described_settings, read_settings, write_settings
from aftercast.models.hazard import HazardSettings
from aftercast.models.registry.versions import client
from aftercast.pipelines.train import run_train
from aftercast.pipelines.tune import run_tune


def test_a_search_is_made_once_kept_and_its_file_is_what_train_reads(
    small: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, words = tmp_path / "tuned.toml", ["--trials", "2", "--folds", "2", "-w", str(small.folder)]
    aftercast_ok("tune", "failure", "--out", str(file), *words)
    told = capsys.readouterr().out
    assert "2 trials, 0 given up early" in told
    assert "defaults" in told
    again = run_tune(small, "failure", trials=2, folds=2)
    assert again.repeated
    assert described_settings(read_settings(file)) == again.result["settings"]
    mlflow = client(small)
    run = mlflow.get_run(again.result["run_id"])
    assert run.info.status == "FINISHED"
    assert mlflow.get_experiment(run.info.experiment_id).name == "aftercast-failure-tuning"
    assert run.data.tags["aftercast.verdict"] == again.result["verdict"]["sentence"]
    kept = load_dict(f"{run.info.artifact_uri}/search.json")
    assert kept["trials"] == again.result["trials"]
    assert run_tune(small, "failure", trials=2, folds=3).repeated is False


@pytest.mark.slow
def test_other_settings_are_another_training_and_are_logged_with_it(small: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    write_settings(replace(HazardSettings(), num_leaves=7, members=1), file)
    usual = run_train(small, "failure")
    own = run_train(small, "failure", settings=read_settings(file))
    assert own.repeated is False
    assert own.result["version"] != usual.result["version"]
    assert own.result["metrics"]["model"] != usual.result["metrics"]["model"]
    params = client(small).get_run(own.result["run_id"]).data.params
    assert (params["settings.num_leaves"], params["settings.members"]) == ("7", "1")
    assert run_train(small, "failure", settings=read_settings(file)).repeated is True


def test_a_wrong_settings_file_ends_the_command_before_any_work(
    small: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.toml").write_text("leaves = 4", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        aftercast(["train", "failure", "--settings", str(tmp_path / "own.toml"), "-w", str(small.folder)])
    assert ended.value.code == 2
    assert "unknown key 'leaves', did you mean" in capsys.readouterr().err


def aftercast_ok(*words: str) -> None:
    """Run a command that has to end well."""
    with pytest.raises(SystemExit) as ended:
        aftercast(list(words))
    assert ended.value.code == 0
