"""Everything a user can get wrong: one clear error with a hint, and a workspace that works afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from aftercast.cli.main import run
from aftercast.data.fleet import Component, FleetSpec, Sensor
from aftercast.data.workspace import FLEET_FILE, Workspace, create_workspace, open_workspace, write_fleet

SPEC = FleetSpec(
    name="small",
    sensors=(Sensor(name="temperature", unit="°C", low=-40, high=150),),
    components=(Component(name="pump"),),
)
DAYS = pd.date_range("2025-01-01", periods=40, freq="D", tz="UTC")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def call(*words: str | Path) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run([str(word) for word in words])
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "fleet", SPEC)


def good_tables(folder: Path, *, devices: int = 3) -> Path:
    """Tables of a small fleet as CSV; one failure."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = [f"D{number}" for number in range(devices)]
    began = "2025-01-01T00:00:00Z"
    pd.DataFrame(
        {"device_id": ids, "device_model": "M", "installed_at": began, "available_at": began, "customer_id": "C1"}
    ).to_csv(folder / "devices.csv", index=False)
    rows = [
        {"device_id": name, "event_time": day.isoformat(), "temperature": 20.0, "available_at": day.isoformat()}
        for name in ids
        for day in DAYS
    ]
    pd.DataFrame(rows).to_csv(folder / "telemetry.csv", index=False)
    at = DAYS[20].isoformat()
    failure = {"device_id": ids[0], "event_time": at, "component": "pump", "available_at": at}
    pd.DataFrame([failure]).to_csv(folder / "failures.csv", index=False)
    return folder


def refused(ended: Ended, *words: str) -> None:
    """One error and one hint on stderr, exit 2, no traceback, and these words in it."""
    assert ended.code == 2, ended
    lines = [line for line in ended.err.splitlines() if line.strip()]
    assert [line.split(":")[0] for line in lines if line.startswith(("Error", "Hint"))] == ["Error", "Hint"], ended.err
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err, ended.err


def still_usable(command: Callable[..., Ended], workspace: Workspace, tmp_path: Path) -> None:
    """Good tables import afterwards, whole and once."""
    ended = command("import", "tables", good_tables(tmp_path / "good"), "--json", "-w", workspace.folder)
    assert ended.code == 0, ended.err
    report = json.loads(ended.out)
    assert report["tables"]["telemetry"]["kept"] + report["tables"]["telemetry"]["duplicate"] == 3 * len(DAYS)
    assert open_workspace(workspace.folder).store.tables()["devices"] == 3


def changed(folder: Path, table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    """Good tables with one of them changed."""
    file = good_tables(folder) / f"{table}.csv"
    change(pd.read_csv(file)).to_csv(file, index=False)
    return folder


def quarantined(ended: Ended, table: str) -> dict[str, int]:
    assert ended.code == 0, ended.err
    found: dict[str, int] = json.loads(ended.out)["tables"][table]["quarantined"]
    return found


def test_a_missing_column_is_named(command: Callable[..., Ended], workspace: Workspace, tmp_path: Path) -> None:
    tables = changed(tmp_path / "bad", "failures", lambda frame: frame.drop(columns="component"))
    refused(command("import", "tables", tables, "-w", workspace.folder), "component", "failures")
    assert open_workspace(workspace.folder).store.version() == 0
    still_usable(command, workspace, tmp_path)


def test_an_impossible_reading_is_set_aside_with_the_reason(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    def hot(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[5, "temperature"] = 420e9
        return frame

    tables = changed(tmp_path / "bad", "telemetry", hot)
    found = quarantined(command("import", "tables", tables, "--json", "-w", workspace.folder), "telemetry")
    assert sum(found.values()) == 1
    still_usable(command, workspace, tmp_path)


def test_times_without_a_zone_are_not_guessed(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    def naive(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(event_time=frame["event_time"].str.replace("+00:00", ""))

    tables = changed(tmp_path / "bad", "telemetry", naive)
    ended = command("import", "tables", tables, "--json", "-w", workspace.folder)
    if ended.code == 2:
        refused(ended, "event_time")
    else:
        assert sum(quarantined(ended, "telemetry").values()) == 3 * len(DAYS)
    still_usable(command, workspace, tmp_path)


def test_rows_of_a_device_nobody_knows_are_set_aside(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    def unknown(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[:1, "device_id"] = "GHOST"
        return frame

    tables = changed(tmp_path / "bad", "telemetry", unknown)
    found = quarantined(command("import", "tables", tables, "--json", "-w", workspace.folder), "telemetry")
    assert sum(found.values()) == 2
    still_usable(command, workspace, tmp_path)


@pytest.mark.parametrize("text", ["03/04/2026", "45658"])
def test_a_table_that_kept_nothing_ends_the_import_with_an_error(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path, text: str
) -> None:
    tables = changed(tmp_path / "bad", "devices", lambda frame: frame.assign(installed_at=f"{text} "))
    for _ in range(2):
        ended = command("import", "tables", tables, "-w", workspace.folder)
        refused(ended, "'devices' kept none of its 3 rows", "2026-04-03T00:00:00+08:00")
        assert "3 rows set aside" in ended.out
    still_usable(command, workspace, tmp_path)


def test_good_files_imported_again_are_no_error(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    still_usable(command, workspace, tmp_path)
    still_usable(command, workspace, tmp_path)
    write_fleet(workspace.path(FLEET_FILE), SPEC.model_copy(update={"horizons": ("7d",)}))
    still_usable(command, workspace, tmp_path)


def test_rows_that_contradict_stored_ones_are_set_aside_without_an_error(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    still_usable(command, workspace, tmp_path)
    tables = changed(tmp_path / "other", "devices", lambda frame: frame.assign(device_model="other"))
    ended = command("import", "tables", tables, "--json", "-w", workspace.folder)
    assert quarantined(ended, "devices") == {"conflicting_duplicate": 3}


def test_what_was_drafted_and_what_is_unlisted_is_said(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    write_fleet(workspace.path(FLEET_FILE), SPEC.model_copy(update={"sensors": ()}))
    tables = changed(tmp_path / "tables", "failures", lambda frame: frame.assign(component="belt"))
    ended = command("import", "tables", tables, "-w", workspace.folder)
    assert ended.code == 0, ended.err
    assert "fleet.toml had no sensors" in ended.err
    assert "'belt' (1 row)" in ended.err
    assert open_workspace(workspace.folder).fleet.sensor_names == ("temperature",)
    assert "drafted" not in command("import", "tables", tables, "-w", workspace.folder).err


def test_an_empty_file_is_named(command: Callable[..., Ended], workspace: Workspace, tmp_path: Path) -> None:
    tables = good_tables(tmp_path / "bad")
    (tables / "failures.csv").write_text("")
    refused(command("import", "tables", tables, "-w", workspace.folder), "failures.csv")
    still_usable(command, workspace, tmp_path)


def test_an_empty_folder_is_refused(command: Callable[..., Ended], workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(command("import", "tables", tmp_path / "empty", "-w", workspace.folder))
    refused(command("import", "tables", tmp_path / "nowhere", "-w", workspace.folder), "does not exist")
    still_usable(command, workspace, tmp_path)


def test_a_corrupt_parquet_file_is_named(command: Callable[..., Ended], workspace: Workspace, tmp_path: Path) -> None:
    tables = good_tables(tmp_path / "bad")
    (tables / "telemetry.csv").unlink()
    (tables / "telemetry.parquet").write_bytes(b"PAR1 this is no parquet PAR1")
    refused(command("import", "tables", tables, "-w", workspace.folder), "telemetry.parquet")
    still_usable(command, workspace, tmp_path)


def test_a_source_nobody_knows_lists_the_known_ones(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    refused(command("import", "azur-pdm", tmp_path, "-w", workspace.folder), "azure-pdm")
    still_usable(command, workspace, tmp_path)


def test_training_without_data_says_what_to_do(command: Callable[..., Ended], workspace: Workspace) -> None:
    refused(command("train", "failure", "-w", workspace.folder), "import")


def test_too_few_failures_to_train_are_counted(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    still_usable(command, workspace, tmp_path)
    refused(command("train", "failure", "-w", workspace.folder), "failures")
    refused(command("score", "-w", workspace.folder), "train")
    still_usable(command, workspace, tmp_path)


def test_a_horizon_longer_than_the_data_is_refused(
    command: Callable[..., Ended], workspace: Workspace, tmp_path: Path
) -> None:
    write_fleet(workspace.path(FLEET_FILE), SPEC.model_copy(update={"horizons": ("7d", "90d")}))
    still_usable(command, workspace, tmp_path)
    refused(command("train", "failure", "-w", workspace.folder))
    still_usable(command, workspace, tmp_path)


def test_a_misspelt_key_of_the_fleet_spec_gets_the_nearest_one(
    command: Callable[..., Ended], workspace: Workspace
) -> None:
    file = workspace.path(FLEET_FILE)
    file.write_text(file.read_text(encoding="utf-8").replace("horizons", "horizon", 1), encoding="utf-8")
    refused(command("status", "-w", workspace.folder), "did you mean 'horizons'")


def test_a_model_trained_on_other_features_does_not_score(command: Callable[..., Ended], own_fleet: Workspace) -> None:
    fleet = own_fleet.fleet
    write_fleet(own_fleet.path(FLEET_FILE), fleet.model_copy(update={"sensors": fleet.sensors[1:], "rules": ()}))
    cutoff = own_fleet.store.observed_until()
    assert cutoff is not None
    earlier = (cutoff - pd.Timedelta(days=3)).floor("D").isoformat()
    refused(command("score", "--cutoff", earlier, "-w", own_fleet.folder), "trained on other features", "train")
    write_fleet(own_fleet.path(FLEET_FILE), fleet)
    assert command("score", "--cutoff", earlier, "-w", own_fleet.folder).code == 0


def test_a_horizon_beyond_the_model_names_its_longest(command: Callable[..., Ended], own_fleet: Workspace) -> None:
    refused(command("risk-list", "--horizon", "400d", "-w", own_fleet.folder), "forecasts up to")
    assert command("risk-list", "-w", own_fleet.folder).code == 0


def test_a_cutoff_later_than_the_data_is_refused(command: Callable[..., Ended], own_fleet: Workspace) -> None:
    refused(command("score", "--cutoff", "2099-01-01", "-w", own_fleet.folder), "later than the data")


@pytest.mark.parametrize("text", ["tomorrow-ish", "2025-13-45"])
def test_a_date_that_is_none_is_refused(command: Callable[..., Ended], workspace: Workspace, text: str) -> None:
    refused(command("score", "--cutoff", text, "-w", workspace.folder), text)


def test_a_folder_that_is_no_workspace_is_refused_by_the_installed_command(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "aftercast.cli.main", "status", "-w", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    refused(Ended(done.returncode, done.stdout, done.stderr), "not a workspace", "aftercast init")


def test_debug_shows_where_it_was_raised(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "aftercast.cli.main", "--debug", "status", "-w", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" in done.stderr


def test_a_workspace_is_never_overwritten(command: Callable[..., Ended], workspace: Workspace) -> None:
    before = workspace.path(FLEET_FILE).read_text(encoding="utf-8")
    refused(command("init", workspace.folder), "already a workspace")
    assert workspace.path(FLEET_FILE).read_text(encoding="utf-8") == before
