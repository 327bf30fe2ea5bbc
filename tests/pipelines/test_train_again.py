"""What makes a training another one, which of two versions scores, and going back to an earlier one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from aftercast.cli.main import app
from aftercast.data.workspace import Workspace
from aftercast.features import code_digest as sources
from aftercast.features.code_digest import digest_of, sources_digest
from aftercast.models.kind import Gate
from aftercast.models.kinds import hazard_kind
from aftercast.models.metadata import spec_hash
from aftercast.models.registry.versions import champion_version, load_champion, newest_version
from aftercast.models.registry.versions import promote as let_pass
from aftercast.operations.audit import newest_entries
from aftercast.operations.errors import NotFoundError, WorkspaceError
from aftercast.pipelines.runs import run_key
from aftercast.pipelines.train import run_train


def promote(workspace: Workspace, *words: str) -> Result:
    return CliRunner().invoke(app, ["promote", "failure", *words, "-w", str(workspace.folder)])


def test_a_new_or_changed_view_is_another_training(tmp_path: Path, fleet_workspace: Workspace) -> None:
    shutil.copytree(Path(sources.__file__).parent, tmp_path / "features")
    assert digest_of(tmp_path / "features") == sources_digest()
    view = tmp_path / "features" / "views" / "rhythm.py"
    view.write_text(view.read_text(encoding="utf-8") + "CHANGED = 1\n", encoding="utf-8")
    changed = digest_of(tmp_path / "features")
    (tmp_path / "features" / "views" / "another.py").touch()
    assert len({sources_digest(), changed, digest_of(tmp_path / "features")}) == 3
    known = load_champion(fleet_workspace, "failure").metadata
    asked = {"kind": "failure", "until": known.until, "data": known.data_version, "seed": known.seed}
    spec = spec_hash(fleet_workspace.fleet)
    kind = hazard_kind("failure")
    settings = kind.described_settings(kind.settings({}, fleet_workspace.fleet))
    assert known.key == run_key(**asked, spec=spec, settings=settings, features=sources_digest())
    assert known.key != run_key(**asked, spec=spec, settings=settings, features=changed)


@pytest.mark.slow
def test_a_training_until_an_earlier_time_replaces_no_champion_unless_somebody_says_so(own_fleet: Workspace) -> None:
    before = champion_version(own_fleet, "failure")
    assert before is not None
    until = pd.Timestamp(load_champion(own_fleet, "failure").metadata.until) - pd.Timedelta(days=10)
    result = run_train(own_fleet, "failure", until=until).result
    assert result["champion"] is False
    assert f"version {before.version} was trained until later" in result["decision"]
    assert champion_version(own_fleet, "failure") == before
    chosen = promote(own_fleet, result["version"])
    assert chosen.exit_code == 0, chosen.output
    assert load_champion(own_fleet, "failure").version == result["version"]
    assert promote(own_fleet, before.version).exit_code == 0
    back = champion_version(own_fleet, "failure")
    assert back is not None
    assert (back.version, back.decision) == (before.version, "Champion: chosen by hand.")
    (newest,) = newest_entries(own_fleet.path("audit"), 1)
    assert (newest["event"], newest["content"]["version"]) == ("model.champion", before.version)


def test_a_version_worse_than_the_base_rate_is_chosen_only_on_purpose(own_fleet: Workspace) -> None:
    there = newest_version(own_fleet, "failure")
    assert there is not None
    let_pass(own_fleet, there, Gate(passed=False, why="worse than the base rate on the validation period."))
    refused = promote(own_fleet, there.version)
    assert isinstance(refused.exception, WorkspaceError)
    assert "--even-if-worse" in refused.exception.hint
    chosen = promote(own_fleet, there.version, "--even-if-worse")
    assert "although it failed its gate (Not champion: worse than the base rate" in chosen.stdout


def test_a_version_that_is_not_there_is_said_to_be_missing(own_fleet: Workspace) -> None:
    assert isinstance(promote(own_fleet, "99").exception, NotFoundError)
