"""What was lost is mended by the command that the hint names, and nothing else stops while it is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable

import pandas as pd
import pytest

from aftercast.cli.doctor.checks import champion, rows
from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.cli.main import run as aftercast
from aftercast.data.workspace import SETTINGS_FILE, Workspace, open_workspace
from aftercast.models.registry.health import find_champion
from aftercast.models.registry.versions import champion_version, client, load_champion
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError, NotFoundError, WorkspaceError
from aftercast.pipelines.score import run_score
from aftercast.pipelines.train import run_train

DAY = pd.Timedelta(days=1)
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command; gives its exit code, output and errors."""

    def run(workspace: Workspace, *words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            aftercast([*words, "-w", str(workspace.folder)])
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, told.out, told.err

    return run


def findings(workspace: Workspace, check: Callable[[Deployment], Iterable[Finding]]) -> list[Finding]:
    deployment = Deployment(workspace.folder)
    try:
        return list(check(deployment))
    finally:
        deployment.close()


def lose_files(workspace: Workspace, kind: str) -> None:
    """Remove what the champion of a kind consists of; the registry still names it."""
    found = champion_version(workspace, kind)
    assert found is not None
    shutil.rmtree(client(workspace).get_run(found.run_id).info.artifact_uri)


def test_lost_rows_are_made_by_scoring_again(own_fleet: Workspace, command: Command) -> None:
    path = snapshot_path(own_fleet.folder, "failure")
    before = load_snapshot(path)
    path.unlink()
    with pytest.raises(NotEnoughDataError) as lost:
        load_snapshot(path)
    (found,) = [each for each in findings(own_fleet, rows.check) if each.found.startswith("failure: ")]
    assert "`aftercast score --again`" in lost.value.hint
    assert (found.level, found.mend) == ("problem", lost.value.hint)
    code, told, _ = command(own_fleet, "score")
    assert (code, "before" in told, path.exists()) == (0, True, False)
    code, told, _ = command(own_fleet, "score", "--again")
    assert (code, "before" in told) == (0, False)
    after = load_snapshot(path)
    assert after.ids.tolist() == before.ids.tolist()
    assert after.features.equals(before.features)
    assert [each.found for each in findings(own_fleet, rows.check) if each.level != "ok"] == []


@pytest.mark.parametrize("content", [b"", b"not parquet"])
def test_rows_that_cannot_be_read_say_to_score_again(own_fleet: Workspace, content: bytes) -> None:
    path = snapshot_path(own_fleet.folder, "failure")
    path.write_bytes(content)
    with pytest.raises(ModelMismatchError, match="cannot be read") as damaged:
        load_snapshot(path)
    assert "`aftercast score --again`" in damaged.value.hint


@pytest.mark.slow
def test_a_lost_registry_is_filled_by_training_again(small: Workspace, command: Command) -> None:
    first = run_train(small, "failure").result
    settings = small.path(SETTINGS_FILE)
    settings.write_text(settings.read_text(encoding="utf-8").replace("sqlite:///mlflow.db", "sqlite:///new.db"))
    lost = open_workspace(small.folder)
    assert lost.mlflow_address != small.mlflow_address
    with pytest.raises(NotFoundError) as missing:
        load_champion(lost, "failure")
    assert "--again" in missing.value.hint
    with pytest.raises(NotFoundError) as nothing:
        run_score(lost)
    assert "--again" in nothing.value.hint
    code, told, _ = command(lost, "train", "failure")
    assert (code, "trained before" in told, champion_version(lost, "failure")) == (0, True, None)
    code, told, _ = command(lost, "train", "failure", "--again")
    assert (code, "trained before" in told) == (0, False)
    again = run_train(lost, "failure").result
    assert again["metrics"] == first["metrics"]
    assert load_champion(lost, "failure").run_id == again["run_id"] != first["run_id"]


def test_lost_files_of_a_champion_are_made_by_training_again(small: Workspace, command: Command) -> None:
    first = run_train(small, "failure").result
    assert first["champion"]
    lose_files(small, "failure")
    with pytest.raises(WorkspaceError, match="failure champion cannot be loaded") as lost:
        find_champion(small, "failure")
    assert "`aftercast train failure --again`" in lost.value.hint
    told = [each.mend for each in findings(small, champion.check) if each.level == "problem"]
    assert lost.value.hint in told
    code, _, errors = command(small, "train", "failure", "--again")
    assert code == 0, errors
    loaded = load_champion(small, "failure")
    assert int(loaded.version) == int(first["version"]) + 1
    assert loaded.metadata.key == first["key"]
    whole = run_train(small, "failure", again=True).result
    assert (whole["version"], whole["run_id"]) == (loaded.version, loaded.run_id)


def test_a_kind_that_cannot_be_scored_does_not_stop_the_others(own_fleet: Workspace, command: Command) -> None:
    lose_files(own_fleet, "churn")
    cutoff = load_snapshot(snapshot_path(own_fleet.folder, "failure")).cutoff - 2 * DAY
    result = run_score(own_fleet, cutoff=cutoff)
    assert [run["kind"] for run in result["runs"]] == ["failure"]
    assert [failed["kind"] for failed in result["failed"]] == ["churn"]
    code, told, errors = command(own_fleet, "score", "--cutoff", cutoff.isoformat())
    assert code == 2
    assert "failure" in told
    assert "churn was not scored. The churn champion cannot be loaded" in errors
    assert "`aftercast train churn --again`" in errors
    lose_files(own_fleet, "failure")
    code, _, errors = command(own_fleet, "score", "--cutoff", cutoff.isoformat())
    assert code == 2
    assert "Error: The churn champion cannot be loaded" in errors
