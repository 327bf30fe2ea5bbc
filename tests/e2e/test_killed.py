"""A process killed at any point leaves nothing half done, and the next run finishes the work once."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.entities import ViewType

from aftercast.data.fleet import load_fleet
from aftercast.data.simulator import simulate
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.models.registry.versions import KEY_TAG, client, load_champion, model_name
from aftercast.pipelines.ingest import run_ingest

CHILD = """
import os
import signal
import sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from aftercast.cli.main import run

last_step, steps = int(sys.argv.pop(1)), 0

def step(*_):
    global steps
    steps += 1
    if steps == last_step:
        os.kill(os.getpid(), signal.SIGKILL)

def hook(name, args):
    if name in {"os.mkdir", "os.remove", "os.rename"}:
        step()
    if name == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
        step()

event.listen(Engine, "before_cursor_execute", step)
sys.addaudithook(hook)
try:
    run()
finally:
    print(steps, file=sys.stderr)
"""
"""A command that dies at one of its steps: files opened to write, moved or removed, folders, statements of SQL."""


def run(last_step: int, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(last_step), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def steps_of(*words: str) -> int:
    """Steps that a command takes which nobody kills."""
    done = run(0, *words)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1])


def last_steps(steps: int, seed: int, kills: int) -> list[int]:
    """Random steps, one in each part of the run."""
    chance = random.Random(seed)
    return [1 + int(steps * (part + chance.random()) / kills) for part in range(kills)]


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_an_import_killed_anywhere_is_invisible_and_then_whole(kills: int, tmp_path: Path) -> None:
    simulated = tmp_path / "simulated"
    simulate(simulated, devices=30, days=60, seed=5)
    fleet = load_fleet(simulated / "fleet.toml")
    whole = create_workspace(tmp_path / "whole", fleet)
    run_ingest(whole, "tables", simulated / "tables")
    counted = create_workspace(tmp_path / "counted", fleet)
    assert counted.store.version() == 0  # as the other is asked before it is killed: both have their tables already
    words = ("import", "tables", str(simulated / "tables"), "-w")
    steps = steps_of(*words, str(counted.folder))
    killed = create_workspace(tmp_path / "killed", fleet)
    for last_step in last_steps(steps, seed=1, kills=kills):
        published = open_workspace(killed.folder).store.version() == 1
        ended = run(last_step, *words, str(killed.folder))
        assert published or ended.returncode == -signal.SIGKILL, ended.stderr
        store = open_workspace(killed.folder).store
        assert store.version() in {0, 1}
        assert store.tables() == ({} if store.version() == 0 else whole.store.tables())
    steps_of(*words, str(killed.folder))
    store = open_workspace(killed.folder).store
    assert (store.version(), store.tables()) == (1, whole.store.tables())
    assert store.read("telemetry").equals(whole.store.read("telemetry"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_killed_anywhere_never_leaves_half_a_champion(own_fleet: Workspace) -> None:
    place = str(own_fleet.folder)
    steps = steps_of("train", "failure", "--seed", "1", "-w", place)
    ended = []
    for last_step in last_steps(steps, seed=2, kills=3):
        ended.append(run(last_step, "train", "failure", "--seed", "2", "-w", place).returncode)
        assert load_champion(own_fleet, "failure").version  # whichever it is, it loads whole
    assert ended[0] == -signal.SIGKILL
    assert set(ended) <= {-signal.SIGKILL, 0}  # 0 where little was left to do
    steps_of("train", "failure", "--seed", "2", "-w", place)
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
