"""From files as people have them to a workspace: what is asked, what is written, what an import then stores."""

from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from aftercast.cli.main import app
from aftercast.data.fleet import load_fleet
from aftercast.data.workspace import open_workspace
from aftercast.operations.errors import InputError, SettingsError

ORDERS = "Asset;Start;Type;Major System;Costs\n" + "".join(
    f"A{n % 3};{1 + n % 28:02d}.{1 + n // 28:02d}.2024;ZX1;{'motor' if n % 2 else 'NA'};1.0{n % 10}0,5\n"
    for n in range(56)
)
ANSWERS = '[answers]\nzone = "Europe/Berlin"\nrepairs.kind.ZX1 = "corrective"\n'


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "Aufträge.csv").write_bytes(ORDERS.encode("cp1252"))
    return folder


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "200"})


def test_questions_without_a_terminal_are_an_error_with_the_lines_to_write(exports: Path, tmp_path: Path) -> None:
    done = call("init", tmp_path / "fleet", "--source", exports)
    assert isinstance(done.exception, InputError)
    assert "leaves 2 questions open" in done.exception.message
    assert '"repairs.kind.ZX1" = "corrective"' in done.exception.hint
    assert not (tmp_path / "fleet").exists()


def test_answers_in_a_file_lead_to_a_spec_that_an_import_follows(exports: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.toml").write_text(ANSWERS)
    done = call("init", tmp_path / "fleet", "--source", exports, "--answers", tmp_path / "answers.toml")
    assert done.exit_code == 0, done.output
    assert "A0-2024-01-01-1" in done.output  # a row as it is read, with the number it gets
    assert "2023-12-31 23:00:00 UTC" in done.output
    spec = load_fleet(tmp_path / "fleet" / "fleet.toml")
    assert spec.tables["repairs"].columns["component"] == "Major System"
    assert spec.files.zone == "Europe/Berlin"

    checked = call("import", "tables", exports, "-w", tmp_path / "fleet", "--check", "--json")
    assert json.loads(checked.stdout)["tables"]["repairs"]["kept"] == 56
    workspace = open_workspace(tmp_path / "fleet")
    assert workspace.store.version() == 0
    assert call("import", "tables", exports, "-w", tmp_path / "fleet").exit_code == 0
    assert workspace.store.tables() == {"devices": 3, "repairs": 56}
    assert workspace.store.read("repairs")["cost"].min() == 1000.5
    workspace.database.dispose()


def test_questions_are_asked_at_a_terminal(exports: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "aftercast.cli.main", "init", str(tmp_path / "fleet"), "--source", str(exports)]
    with subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.write(master, b"Europe/Berlin\n9\n1\n")
        output, errors = process.communicate(timeout=60)
    os.close(master)
    os.close(slave)
    assert process.returncode == 0, errors
    assert "What is kind 'ZX1' of repairs (56 rows" in output
    assert load_fleet(tmp_path / "fleet" / "fleet.toml").tables["repairs"].values == {"kind": {"ZX1": "corrective"}}


def test_a_database_goes_the_same_way_whenever_it_is_asked(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "plant.db")
    with connection:
        frame = pd.DataFrame({"asset": ["007", "008"], "model": "m", "commissioned": "2020-01-01T00:00:00Z"})
        frame.to_sql("equipment", connection, index=False)
    address = f"sqlite:///{tmp_path / 'plant.db'}"
    assert call("init", tmp_path / "fleet", "--source", address).exit_code == 0
    first = call("import", "tables", address, "-w", tmp_path / "fleet", "--json")
    assert json.loads(first.stdout)["tables"]["devices"]["kept"] == 2
    with connection:
        frame.assign(asset=["009", "010"]).to_sql("equipment", connection, index=False, if_exists="append")
    connection.close()
    again = call("import", "tables", address, "-w", tmp_path / "fleet", "--json")
    assert (json.loads(again.stdout)["repeated"], json.loads(again.stdout)["tables"]["devices"]["kept"]) == (False, 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "devices.csv is empty"), ("<html></html>", "devices.csv is a web page")],
)
def test_the_reason_for_which_nothing_is_understood_is_said(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "devices.csv").write_text(content)
    done = call("init", tmp_path / "fleet", "--source", tmp_path / "exports")
    assert isinstance(done.exception, InputError)
    assert said in done.exception.message
    assert '"devices.csv" = "none"' in done.exception.hint


def test_answers_are_about_a_source(tmp_path: Path) -> None:
    (tmp_path / "answers.toml").write_text(ANSWERS)
    done = call("init", tmp_path / "fleet", "--answers", tmp_path / "answers.toml")
    assert isinstance(done.exception, SettingsError)
