"""The same flow directly, on Prefect's temporary server, and twice: one result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.errors import InputError, SettingsError
from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.pipelines.engine import run_flow
from aftercast.pipelines.ingest import draft_fleet, needs_draft, run_ingest

BEGAN = "2025-01-01T00:00:00Z"


def tables(folder: Path) -> Path:
    folder.mkdir()
    device = {"device_id": "D1", "device_model": "M", "installed_at": BEGAN, "available_at": BEGAN}
    pd.DataFrame([device]).to_csv(folder / "devices.csv", index=False)
    failure = {"device_id": "D1", "event_time": BEGAN, "component": "pump", "available_at": BEGAN}
    pd.DataFrame([failure]).to_csv(folder / "failures.csv", index=False)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "fleet", FleetSpec(name="flows", components=(Component(name="pump"),)))


@pytest.mark.slow
def test_a_flow_runs_for_real_on_the_temporary_server_and_is_not_done_again_directly(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = tables(tmp_path / "tables")
    # in a process of its own, as a user's command is: the server lives as long as the process
    words = [sys.executable, "-m", "aftercast.pipelines.cli.main", "import", "tables", str(path), "--json"]
    words += ["--workspace", str(workspace.folder)]
    environment = os.environ | {"AFTERCAST_PREFECT__MODE": "temporary"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["tables"]["devices"]["kept"] == 1
    assert result["repeated"] is False
    assert "Traceback" not in done.stderr
    assert workspace.path("prefect", "prefect.db").is_file()
    assert run_ingest(workspace, "tables", path).repeated is True


def test_importing_twice_keeps_one_version_and_gives_the_first_report(workspace: Workspace, tmp_path: Path) -> None:
    path = tables(tmp_path / "tables")
    first = run_ingest(workspace, "tables", path)
    again = run_ingest(workspace, "tables", path)
    assert (again.repeated, again.result) == (True, first.result)
    assert workspace.store.version() == 1


def test_another_fleet_spec_reads_the_same_files_anew_without_doubling_them(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = tables(tmp_path / "tables")
    run_ingest(workspace, "tables", path)
    wider = FleetSpec(name="flows", components=(Component(name="pump"), Component(name="fan")))
    other = Workspace(workspace.folder, workspace.settings, wider)
    assert run_ingest(other, "tables", path).repeated is False
    assert other.store.tables() == {"devices": 1, "failures": 1}


def test_an_import_that_failed_can_be_mended_and_repeated(workspace: Workspace, tmp_path: Path) -> None:
    path = tables(tmp_path / "tables")
    good = (path / "failures.csv").read_text()
    (path / "failures.csv").write_text("")
    with pytest.raises(InputError, match="failures"):
        run_ingest(workspace, "tables", path)
    assert workspace.store.version() == 0
    (path / "failures.csv").write_text(good)
    assert run_ingest(workspace, "tables", path).result["tables"]["failures"]["kept"] == 1


def test_only_an_empty_workspace_without_sensors_and_components_gets_a_draft(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    assert needs_draft(made)
    path = tables(tmp_path / "tables")
    drafted = draft_fleet(made, "tables", path)
    assert drafted.fleet.component_names == ("pump",)
    assert drafted.fleet.name == "mine"
    assert not needs_draft(drafted)


def test_the_server_mode_needs_an_address(workspace: Workspace) -> None:
    settings = workspace.settings.model_copy(
        update={"prefect": workspace.settings.prefect.model_copy(update={"mode": "server"})}
    )
    place = Workspace(workspace.folder, settings, workspace.fleet)
    with pytest.raises(SettingsError, match=r"prefect\.address"):
        run_flow(place, "score_flow", dict, cutoff=None)
