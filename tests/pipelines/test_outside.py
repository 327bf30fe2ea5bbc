"""What a disk, a lock or a server does to a command: a sentence, a hint, exit 2, and work that can be repeated."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from deltalake.exceptions import DeltaError
from tests.e2e.test_bad_input import SPEC, Ended, good_tables, refused

from aftercast.cli import main
from aftercast.cli.doctor.runner import examine
from aftercast.cli.outside import explained
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.operations.database import engine
from aftercast.operations.database.flow_runs import record_start
from aftercast.pipelines.runs import one_at_a_time


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "fleet", SPEC)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    def call(*words: str | Path) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run([str(word) for word in words])
        said = capsys.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 200)


@pytest.fixture
def held(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """The operational database in the hands of another program."""
    assert workspace.store.version() == 0
    workspace.database.dispose()
    with closing(sqlite3.connect(workspace.path("aftercast.db"))) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other


@pytest.mark.usefixtures("impatient")
def test_a_database_held_by_another_program_is_named_and_the_import_can_be_repeated(
    workspace: Workspace, command: Callable[..., Ended], held: sqlite3.Connection, tmp_path: Path
) -> None:
    tables = good_tables(tmp_path / "tables")
    refused(command("import", "tables", tables, "-w", workspace.folder), "aftercast.db", "Another program holds")
    held.rollback()
    assert command("import", "tables", tables, "-w", workspace.folder).code == 0
    assert len(open_workspace(workspace.folder).store.read("devices")) == 3


@pytest.mark.usefixtures("held")
def test_doctor_says_that_somebody_holds_the_database(workspace: Workspace) -> None:
    lines = [line.finding for line in examine(workspace.folder) if line.check == "database"]
    assert any(found.level == "problem" and "Another program holds aftercast.db" in found.found for found in lines)


@pytest.mark.parametrize("option", ["--html", "--json", "--forecasts"])
def test_a_report_that_cannot_be_written_is_found_out_before_anything_is_computed(
    option: str, workspace: Workspace, command: Callable[..., Ended], tmp_path: Path
) -> None:
    missing = tmp_path / "nowhere" / "report"
    refused(command("backtest", "failure", option, missing, "-w", workspace.folder), str(missing), "cannot be written")
    refused(command("tune", "failure", "--out", missing, "-w", workspace.folder), str(missing), "cannot be written")
    refused(command("risk-list", "--out", missing, "-w", workspace.folder), str(missing), "cannot be written")


def test_a_file_that_was_only_tried_is_not_left_behind(
    workspace: Workspace, command: Callable[..., Ended], tmp_path: Path
) -> None:
    refused(command("backtest", "failure", "--html", tmp_path / "report.html", "-w", workspace.folder), "needs")
    assert not (tmp_path / "report.html").exists()


def test_a_prefect_server_that_is_away_is_named(
    workspace: Workspace, command: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERCAST_PREFECT__MODE", "server")
    monkeypatch.setenv("AFTERCAST_PREFECT__ADDRESS", "http://127.0.0.1:9/api")
    tables = good_tables(tmp_path / "tables")
    ended = command("import", "tables", tables, "-w", workspace.folder)
    refused(ended, "Prefect server http://127.0.0.1:9/api does not answer")


def test_a_killed_run_has_ended_without_a_result_and_one_that_works_is_started(
    workspace: Workspace, command: Callable[..., Ended]
) -> None:
    record_start(workspace.database, "train", "abc")
    assert "ended without a result" in command("status", "-w", workspace.folder).out
    with one_at_a_time(workspace, "train", "abc"):
        assert "abc: started" in command("status", "-w", workspace.folder).out
    assert "ended without a result" in command("status", "-w", workspace.folder).out


def _raised(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.parquet"), "The disk is full: x.parquet"),
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full."),
        (DeltaError("Generic LocalFileSystem error: No space left on device (os error 28)"), "The disk is full"),
        (_raised(RuntimeError("odd"), OSError(errno.EDQUOT, "Disk quota exceeded")), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x cannot be written"),
        (DeltaError("Permission denied (os error 13)"), "cannot be written"),
        (sqlite3.OperationalError("database or disk is full"), "The disk is full"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "cannot be written"),
        (sqlite3.DatabaseError("file is not a database"), "damaged"),
        (MemoryError(), "memory"),
    ],
)
def test_errors_of_disks_and_databases_become_sentences(error: Exception, word: str) -> None:
    found = explained(error)
    assert found is not None
    assert word in found.message
    assert found.hint


@pytest.mark.parametrize("error", [ValueError("no space left"), KeyError("database is locked"), pd.errors.MergeError()])
def test_a_defect_of_ours_is_not_explained_away(error: Exception) -> None:
    assert explained(error) is None
