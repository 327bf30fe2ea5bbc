"""``aftercast database`` says where the tables stand and takes them to this release; other commands need that done."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from aftercast.cli.commands import database, keys
from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.data.workspace import create_workspace, open_workspace
from aftercast.operations.database.schema import revision_files
from aftercast.operations.errors import WorkspaceError

NAMES = [path.stem for path in revision_files().values()]
NEWEST = list(revision_files())[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a workspace nothing was done in yet."""
    fleet = FleetSpec(name="pumps", sensors=(Sensor(name="heat", unit="K"),))
    return create_workspace(tmp_path / "fleet", fleet).folder


def call(folder: Path, *words: str) -> Result:
    app = typer.Typer()
    app.add_typer(database.database, name="database")
    app.add_typer(keys.keys, name="keys")
    return CliRunner().invoke(app, [*words, "-w", str(folder)])


def set_revision(folder: Path, revision: str) -> None:
    with closing(sqlite3.connect(folder / "aftercast.db")) as connection:
        connection.execute("UPDATE aftercast_revision SET version_num = ?", (revision,))
        connection.commit()


def make_manual(folder: Path) -> None:
    path = folder / "aftercast.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('upgrade = "automatic"', 'upgrade = "manual"'))
    assert open_workspace(folder).settings.database.upgrade == "manual"


def test_status_names_what_is_missing_and_changes_nothing(folder: Path) -> None:
    for _ in range(2):
        shown = call(folder, "database", "status").stdout
        assert f"aftercast.db has no revision yet; this release needs {NEWEST}." in shown
        assert [line.removeprefix("Missing: ") for line in shown.splitlines() if "Missing" in line] == NAMES
        assert "`aftercast database upgrade`" in shown


def test_an_upgrade_runs_what_is_missing_once(folder: Path) -> None:
    first, second = (call(folder, "database", "upgrade") for _ in range(2))
    assert first.stderr.splitlines() == [f"Ran {name}." for name in NAMES]
    assert first.stdout.endswith(f"aftercast.db is up to date now, at revision {NEWEST}.\n")
    assert (second.stderr, second.stdout.endswith(f"was up to date already, at revision {NEWEST}.\n")) == ("", True)
    assert call(folder, "database", "status").stdout.endswith(f"is up to date, at revision {NEWEST}.\n")


def test_machines_are_told_too(folder: Path) -> None:
    before = json.loads(call(folder, "database", "status", "--json").stdout)
    ran = json.loads(call(folder, "database", "upgrade", "--json").stdout)
    after = json.loads(call(folder, "database", "status", "--json").stdout)
    assert (before["current"], before["missing"], before["up_to_date"]) == (None, NAMES, False)
    assert (ran["from"], ran["to"], ran["ran"]) == (None, NEWEST, NAMES)
    assert (after["current"], after["missing"], after["up_to_date"]) == (NEWEST, [], True)
    assert before["upgrade"] == "automatic"


def test_with_manual_upgrades_other_commands_wait_for_this_one(folder: Path) -> None:
    make_manual(folder)
    refused = call(folder, "keys", "list").exception
    assert isinstance(refused, WorkspaceError)
    assert "aftercast database upgrade" in refused.hint

    assert call(folder, "database", "upgrade").exit_code == 0
    assert call(folder, "keys", "list").exit_code == 0


def test_with_automatic_upgrades_any_command_takes_the_tables_along(folder: Path) -> None:
    assert call(folder, "keys", "list").exit_code == 0
    assert json.loads(call(folder, "database", "status", "--json").stdout)["up_to_date"]


@pytest.mark.parametrize("words", [("database", "status"), ("database", "upgrade"), ("keys", "list")])
def test_a_database_of_a_newer_release_is_refused_by_every_command(folder: Path, words: tuple[str, ...]) -> None:
    call(folder, "database", "upgrade")
    set_revision(folder, "9999")
    refused = call(folder, *words).exception
    assert isinstance(refused, WorkspaceError)
    assert "newer release" in refused.message


def test_a_file_that_is_no_database_is_said_to_be_none(folder: Path) -> None:
    (folder / "aftercast.db").write_text("this is a text and not a database, as anyone can see\n" * 50)
    refused = call(folder, "database", "status").exception
    assert isinstance(refused, WorkspaceError)
    assert "file is not a database" in refused.message


def test_the_password_of_the_database_is_not_shown(folder: Path) -> None:
    path = folder / "aftercast.toml"
    address = "postgresql+psycopg://someone:hunter2@127.0.0.1:9/none"
    path.write_text(path.read_text(encoding="utf-8").replace("sqlite:///aftercast.db", address))
    refused = call(folder, "database", "status").exception
    assert isinstance(refused, WorkspaceError)
    assert "cannot be reached" in refused.message
    assert "hunter2" not in str(refused)
