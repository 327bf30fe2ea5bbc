"""What an import takes and what it set aside, as the command line lists it; and help texts that are shown whole."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from aftercast.cli.main import app
from aftercast.data.contract import TABLES
from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import create_workspace
from aftercast.operations.errors import NotFoundError, SettingsError

START = pd.Timestamp("2026-01-01", tz="UTC")


def call(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace that set aside 30 readings of a sensor and a failure of an unknown device."""
    fleet = FleetSpec(name="listed", sensors=(Sensor(name="heat", unit="K", low=0, high=900),))
    workspace = create_workspace(tmp_path_factory.mktemp("listed") / "fleet", fleet)
    devices = {"device_id": ["=D1"], "device_model": "m", "installed_at": START, "available_at": START}
    times = pd.date_range(START, periods=30, freq="h")
    readings = {"device_id": "=D1", "event_time": times, "available_at": times, "heat": -9999.0}
    failures = {"device_id": ["D9"], "event_time": START, "component": "pump", "available_at": START}
    tables = {"devices": devices, "telemetry": readings, "failures": failures}
    batches = [Batch(name, pd.DataFrame(rows), f"{name}.csv") for name, rows in tables.items()]
    ingest(workspace.store, batches, fleet, origin="test")
    workspace.database.dispose()
    return workspace.folder


def test_what_was_set_aside_is_listed_with_reason_and_place(folder: Path) -> None:
    found = call("quarantine", "-w", str(folder))
    assert "31 records set aside" in found.stdout
    assert found.stdout.count("impossible_value") == 1, "a line a reason"
    assert "telemetry.csv" in found.stdout
    single = call("quarantine", "--top", "20", "-w", str(folder))
    assert "20 of 31 records set aside" in single.stdout
    assert single.stdout.count("impossible_value") >= 19
    other = call("quarantine", "--table", "failures", "--top", "5", "-w", str(folder))
    assert "1 of 1 records set aside" in other.stdout
    assert "D9" in other.stdout


def test_all_of_it_can_be_written_for_a_spreadsheet(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "refused.csv"
    assert call("quarantine", "--reason", "impossible_value", "--out", str(out), "-w", str(folder)).exit_code == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert list(rows[0])[:4] == ["device_id", "event_time", "available_at", "heat"]
    assert (rows[0]["device_id"], float(rows[0]["heat"])) == ("'=D1", -9999.0)
    assert {row["_reason"] for row in rows} == {"impossible_value"}


def test_tables_have_a_file_each(folder: Path, tmp_path: Path) -> None:
    assert call("quarantine", "--out", str(tmp_path / "all.csv"), "-w", str(folder)).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all-failures.csv", "all-telemetry.csv"]


def test_it_is_json_for_machines(folder: Path) -> None:
    found = json.loads(call("quarantine", "--json", "-w", str(folder)).stdout)
    assert len(found) == 31
    assert {each["table"] for each in found} == {"telemetry", "failures"}
    assert pd.Timestamp(found[0]["found_at"]).tzinfo is not None


@pytest.mark.parametrize("option", [("--table", "repairs"), ("--reason", "bored")])
def test_what_was_never_set_aside_is_an_error_that_says_what_was(folder: Path, option: tuple[str, str]) -> None:
    result = call("quarantine", *option, "-w", str(folder))
    assert isinstance(result.exception, NotFoundError)
    assert ("failures" in result.exception.hint) == (option[0] == "--table")


def test_a_file_that_cannot_be_written_is_an_error(folder: Path, tmp_path: Path) -> None:
    result = call("quarantine", "--out", str(tmp_path / "nowhere" / "x.csv"), "-w", str(folder))
    assert isinstance(result.exception, SettingsError)


def test_tables_are_listed_with_their_columns() -> None:
    every = call("tables").stdout
    assert all(name in every for name in TABLES)
    repairs = call("tables", "repairs").stdout
    assert all(column.name in repairs for column in TABLES["repairs"].columns)
    assert "no_fault_found" in repairs
    assert json.loads(call("tables", "devices", "--json").stdout)["devices"]["other_columns"] is True
    wrong = call("tables", "repair")
    assert isinstance(wrong.exception, SettingsError)
    assert "repairs" in wrong.exception.hint


def commands(group: Any, *words: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in getattr(group, "commands", {}).items():
        yield (*words, name), command
        yield from commands(command, *words, name)


def test_help_shows_every_word_that_was_written() -> None:
    """Square brackets are words, not markup: the defaults stand in them."""
    lost = []
    for words, command in commands(get_command(app)):
        shown = re.sub(r"[\s│]+", "", call(*words, "--help").stdout)
        for option in command.params:
            written = re.sub(r"[\s`]+", "", getattr(option, "help", None) or "")
            lost += [] if written in shown.replace("`", "") else [(*words, option.name)]
    assert lost == []
