"""The same flow directly, on Prefect's temporary server, and twice: one result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.workspace import FLEET_FILE, Workspace, create_workspace, open_workspace, write_fleet
from aftercast.operations.database.inbox import InboxBatch, put_batch
from aftercast.operations.errors import InputError, SettingsError
from aftercast.pipelines.drain import run_drain
from aftercast.pipelines.engine import every_flow, prefect_flow, run_flow
from aftercast.pipelines.flows import score
from aftercast.pipelines.ingest import run_ingest

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
    words = [sys.executable, "-m", "aftercast.cli.main", "import", "tables", str(path), "--json"]
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


def test_an_empty_workspace_gets_its_fleet_spec_from_the_first_import_and_keeps_its_name(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    done = run_ingest(made, "tables", tables(tmp_path / "tables"))
    fleet = open_workspace(made.folder).fleet
    assert (fleet.name, fleet.component_names) == ("mine", ("pump",))
    assert done.result["drafted"] == ["components"]


def later(folder: Path, name: str, text: str) -> Path:
    """Folder of a later import with one table."""
    folder.mkdir()
    (folder / name).write_text(text)
    return folder


READINGS = "device_id,event_time,heat\n" + "".join(f"D1,2025-01-{day:02d}T00:00:00Z,{day}\n" for day in range(1, 29))


def test_telemetry_of_a_later_import_drafts_the_sensors(workspace: Workspace, tmp_path: Path) -> None:
    run_ingest(workspace, "tables", tables(tmp_path / "tables"))
    done = run_ingest(open_workspace(workspace.folder), "tables", later(tmp_path / "more", "telemetry.csv", READINGS))
    assert done.result["drafted"] == ["sensors"]
    (sensor,) = open_workspace(workspace.folder).fleet.sensors
    assert (sensor.name, sensor.low) == ("heat", 0)
    assert open_workspace(workspace.folder).fleet.component_names == ("pump",)


def test_readings_are_checked_by_the_ranges_drafted_from_them(workspace: Workspace, tmp_path: Path) -> None:
    run_ingest(workspace, "tables", tables(tmp_path / "tables"))
    many = "".join(f"D1,2025-02-01T{n // 60:02d}:{n % 60:02d}:00Z,20\n" for n in range(1200))
    path = later(tmp_path / "more", "telemetry.csv", READINGS + many + "D1,2025-03-01T00:00:00Z,4.2e11\n")
    report = run_ingest(open_workspace(workspace.folder), "tables", path).result
    assert report["tables"]["telemetry"]["quarantined"] == {"impossible_value": 1}


def test_fault_codes_and_components_of_a_later_import_are_drafted_where_there_are_none(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    path = tables(tmp_path / "tables")
    failures = (path / "failures.csv").read_text()
    (path / "failures.csv").unlink()
    run_ingest(made, "tables", path)
    more = later(tmp_path / "more", "failures.csv", failures)
    (more / "faults.csv").write_text("device_id,event_time,code\nD1,2025-01-02T00:00:00Z,E7\n")
    run_ingest(open_workspace(made.folder), "tables", more)
    fleet = open_workspace(made.folder).fleet
    assert (fleet.component_names, [item.code for item in fleet.fault_codes]) == (("pump",), ["E7"])
    assert fleet.failures_from == "failures"


def test_what_a_person_filled_or_wrote_beside_it_is_never_changed(workspace: Workspace, tmp_path: Path) -> None:
    file = workspace.path(FLEET_FILE)
    file.write_text(file.read_text() + "\n# the costs were agreed on in May\n")
    path = tables(tmp_path / "tables")
    (path / "failures.csv").write_text((path / "failures.csv").read_text().replace("pump", "belt"))
    (path / "telemetry.csv").write_text(READINGS)
    run_ingest(open_workspace(workspace.folder), "tables", path)
    fleet = open_workspace(workspace.folder).fleet
    assert (fleet.component_names, fleet.sensor_names) == (("pump",), ("heat",))
    assert "# the costs were agreed on in May" in file.read_text()


def test_what_a_person_filled_during_an_import_stays(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    typed = made.fleet.model_copy(update={"components": (Component(name="typed"),)})

    def meanwhile(table: str, _rows: int) -> None:
        write_fleet(made.path(FLEET_FILE), typed)

    run_ingest(made, "tables", tables(tmp_path / "tables"), meanwhile)
    assert open_workspace(made.folder).fleet == typed


def test_a_failed_import_leaves_the_fleet_spec_for_the_next_to_draft(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    before = made.path(FLEET_FILE).read_text()
    path = tables(tmp_path / "tables")
    (path / "purchases.csv").write_text("customer_id\nC1\n")
    with pytest.raises(InputError, match="purchases"):
        run_ingest(made, "tables", path)
    assert made.path(FLEET_FILE).read_text() == before
    (path / "purchases.csv").unlink()
    (path / "telemetry.csv").write_text(READINGS)
    run_ingest(open_workspace(made.folder), "tables", path)
    fleet = open_workspace(made.folder).fleet
    assert (fleet.sensor_names, fleet.component_names) == (("heat",), ("pump",))


def test_a_section_whose_every_row_was_refused_is_left_for_the_next_import(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    path = tables(tmp_path / "tables")
    (path / "telemetry.csv").write_text(READINGS.replace("2025-01-", "01/2025/"))
    assert run_ingest(made, "tables", path).result["drafted"] == ["components"]
    (path / "telemetry.csv").write_text(READINGS)
    assert run_ingest(open_workspace(made.folder), "tables", path).result["drafted"] == ["sensors"]


def test_an_import_that_kept_nothing_is_no_first_import(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    path = later(tmp_path / "customers", "customers.csv", "customer_id,since\nC1,01/01/2025\n")
    (path / "purchases.csv").write_text(f"customer_id,event_time,amount\nC1,{BEGAN},5\n")
    assert run_ingest(made, "tables", path).result["drafted"] == []
    (path / "customers.csv").write_text(f"customer_id,since\nC1,{BEGAN}\n")
    assert run_ingest(open_workspace(made.folder), "tables", path).result["drafted"] == ["churn"]


def test_the_same_import_is_repeated_after_its_draft_was_written(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    path = tables(tmp_path / "tables")
    run_ingest(made, "tables", path)
    again = run_ingest(open_workspace(made.folder), "tables", path)
    assert (again.repeated, again.result["drafted"]) == (True, [])


def test_a_draft_lost_after_the_import_is_written_by_the_next(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    path = tables(tmp_path / "tables")
    run_ingest(made, "tables", path)
    write_fleet(made.path(FLEET_FILE), made.fleet)
    again = run_ingest(open_workspace(made.folder), "tables", path)
    assert again.repeated
    assert open_workspace(made.folder).fleet.component_names == ("pump",)


def test_a_first_import_follows_the_names_of_columns_of_the_fleet_spec(tmp_path: Path) -> None:
    names = {"failures": {"component": "part"}}
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine", columns=names))
    path = tables(tmp_path / "tables")
    (path / "failures.csv").write_text((path / "failures.csv").read_text().replace("component", "part"))
    run_ingest(made, "tables", path)
    fleet = open_workspace(made.folder).fleet
    assert (fleet.component_names, fleet.columns) == (("pump",), names)


def test_a_drain_leaves_the_fleet_spec_alone(tmp_path: Path) -> None:
    made = create_workspace(tmp_path / "fleet", FleetSpec(name="mine"))
    before = made.path(FLEET_FILE).read_text()
    device = {"device_id": "D1", "device_model": "M", "installed_at": BEGAN, "available_at": BEGAN}
    reading = {"device_id": "D1", "event_time": BEGAN, "heat": 20.0, "available_at": BEGAN}
    sent: dict[str, dict[str, Any]] = {"devices": device, "telemetry": reading}
    now = pd.Timestamp(BEGAN).as_unit("us")
    for table, row in sent.items():
        put_batch(made.database, InboxBatch(table, table, (row,), now, None, None))
    assert run_drain(made)["kept"] == 2
    assert made.path(FLEET_FILE).read_text() == before


def test_the_server_mode_needs_an_address(workspace: Workspace) -> None:
    settings = workspace.settings.model_copy(
        update={"prefect": workspace.settings.prefect.model_copy(update={"mode": "server"})}
    )
    place = Workspace(workspace.folder, settings, workspace.fleet)
    with pytest.raises(SettingsError, match=r"prefect\.address"):
        run_flow(place, score.run)


def test_every_file_of_flows_is_a_flow_that_prefect_knows_by_its_name() -> None:
    found = every_flow()
    assert {"aftercast-train", "aftercast-score"} <= found.keys()
    assert [prefect_flow(run).name for run in found.values()] == list(found)
