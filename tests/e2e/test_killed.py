"""A process killed at any point leaves nothing half done, and the next run finishes the work once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.entities import ViewType

from aftercast.data.fleet import load_fleet
from aftercast.data.simulator import simulate
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.models.registry import KEY_TAG, champion_version, client, load_champion, model_name
from aftercast.pipelines.ingest import run_ingest

COMMAND = (sys.executable, "-m", "aftercast.pipelines.cli.main")
IMPORTS, TRAININGS = 5, 3
"""How many are killed; a training takes longer."""


def seconds_of(*words: str) -> float:
    began = time.monotonic()
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def kill_after(seconds: float, *words: str) -> None:
    running = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        running.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait(timeout=30)


def moments(whole_s: float, seed: int, kills: int) -> list[float]:
    """Random moments within the run, past the start of the interpreter."""
    chance = random.Random(seed)
    return [whole_s * chance.uniform(0.2, 1.0) for _ in range(kills)]


@pytest.mark.slow
def test_an_import_killed_anywhere_is_invisible_and_then_whole(tmp_path: Path) -> None:
    simulated = tmp_path / "simulated"
    simulate(simulated, devices=30, days=60, seed=5)
    fleet = load_fleet(simulated / "fleet.toml")
    whole = create_workspace(tmp_path / "whole", fleet)
    run_ingest(whole, "tables", simulated / "tables")
    timed = create_workspace(tmp_path / "timed", fleet)
    words = ("import", "tables", str(simulated / "tables"), "-w")
    duration = seconds_of(*words, str(timed.folder))
    killed = create_workspace(tmp_path / "killed", fleet)
    for moment in moments(duration, seed=1, kills=IMPORTS):
        kill_after(moment, *words, str(killed.folder))
        store = open_workspace(killed.folder).store
        assert store.version() in {0, 1}
        assert store.tables() == ({} if store.version() == 0 else whole.store.tables())
    seconds_of(*words, str(killed.folder))
    store = open_workspace(killed.folder).store
    assert (store.version(), store.tables()) == (1, whole.store.tables())
    assert store.read("telemetry").equals(whole.store.read("telemetry"))


@pytest.mark.slow
def test_a_training_killed_anywhere_never_leaves_half_a_champion(own_fleet: Workspace) -> None:
    before = champion_version(own_fleet, "failure")
    assert before is not None
    place = str(own_fleet.folder)
    duration = seconds_of("train", "failure", "--seed", "1", "-w", place)
    timed = champion_version(own_fleet, "failure")
    assert timed is not None
    for moment in moments(duration, seed=2, kills=TRAININGS):
        kill_after(moment, "train", "failure", "--seed", "2", "-w", place)
        assert load_champion(own_fleet, "failure").version  # whichever it is, it loads whole
    seconds_of("train", "failure", "--seed", "2", "-w", place)
    loaded = load_champion(own_fleet, "failure")
    assert one_of_each(own_fleet, loaded.metadata.key)
    assert loaded.metadata.seed == 2


def one_of_each(workspace: Workspace, key: str) -> bool:
    """Whether the key has one registered version and one finished run, and none that says it still runs."""
    mlflow = client(workspace)
    versions = mlflow.search_model_versions(f"name = '{model_name('failure')}' and tag.`{KEY_TAG}` = '{key}'")
    experiment = mlflow.get_experiment_by_name(model_name("failure"))
    runs = mlflow.search_runs(
        [experiment.experiment_id], f"tags.`{KEY_TAG}` = '{key}'", run_view_type=ViewType.ACTIVE_ONLY
    )
    states = sorted(run.info.status for run in runs)
    return len(versions) == 1 and states.count("FINISHED") == 1 and set(states) <= {"FINISHED", "KILLED"}
