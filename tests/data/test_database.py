"""The operational database is opened by many processes at once: commands, flows and the service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aftercast.data.errors import SettingsError, WorkspaceError
from aftercast.data.records.database import open_database

TIMES, PROCESSES = 30, 6


def open_and_close(folder: Path) -> None:
    """Open the database of a folder many times; the last connection to close removes the write-ahead log."""
    for _ in range(TIMES):
        open_database("sqlite:///aftercast.db", folder).dispose()


def test_processes_that_open_and_close_it_at_once_all_succeed(tmp_path: Path) -> None:
    command = [sys.executable, __file__, str(tmp_path)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    told = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, "".join(told)


def test_a_database_that_cannot_be_reached_says_why(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot be reached: unable to open database file"):
        open_database("sqlite:///no/such/folder/aftercast.db", tmp_path)


@pytest.mark.parametrize(
    "address", ["aftercast.db", "postgresql+nodriver://127.0.0.1/aftercast", "mongodb://127.0.0.1"]
)
def test_an_address_that_is_not_understood_says_how_to_write_one(address: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"database\.address is not understood") as refused:
        open_database(address, tmp_path)
    assert "sqlite:///FILE" in refused.value.hint


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "aftercast.db").write_text("this is a text and not a database, as anyone can see\n" * 50)
    with pytest.raises(WorkspaceError, match="cannot be used: file is not a database"):
        open_database("sqlite:///aftercast.db", tmp_path)


if __name__ == "__main__":
    open_and_close(Path(sys.argv[1]))
