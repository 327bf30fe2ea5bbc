"""The operational database is opened by many processes at once: commands, flows and the service."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, insert, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aftercast.operations.database.engine import open_database
from aftercast.operations.database.keys import API_KEYS, create_key, list_keys
from aftercast.operations.database.tables import utc_now
from aftercast.operations.errors import SettingsError, WorkspaceError

TIMES, PROCESSES = 30, 6


def open_and_close(folder: Path) -> None:
    """Open the database of a folder many times; the last connection to close removes the write-ahead log."""
    for _ in range(TIMES):
        open_database("sqlite:///aftercast.db", folder).dispose()


@pytest.mark.slow
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


def test_a_server_that_takes_connections_and_never_answers_is_given_up(tmp_path: Path) -> None:
    """Without a limit of its own the driver would wait for ever."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(WorkspaceError, match=r"cannot be reached: .*timeout"):
            open_database(f"postgresql+psycopg://ann:hunter2@127.0.0.1:{port}/fleet", tmp_path)


@pytest.mark.service
def test_after_a_server_dropped_every_connection_the_next_question_is_answered(on_server: Engine) -> None:
    create_key(on_server, "ticketing")
    with on_server.connect() as connection:
        kept = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    admin = create_engine(on_server.url)
    with admin.connect() as connection:
        assert connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": kept}).scalar_one()
    admin.dispose()
    assert [key.name for key in list_keys(on_server)] == ["ticketing"]


@pytest.mark.service
def test_who_finds_every_connection_taken_is_told_so_instead_of_waiting_for_ever(on_server: Engine) -> None:
    taken = [on_server.connect() for _ in range(15)]
    with pytest.raises(PoolTimeoutError):
        list_keys(on_server)
    for connection in taken:
        connection.close()
    assert list_keys(on_server) == []


def test_an_error_of_a_statement_does_not_hold_what_was_written(tmp_path: Path) -> None:
    engine = open_database("sqlite:///aftercast.db", tmp_path)
    row = {"key_id": "1", "name": "hunter2", "scopes": [], "secret_sha256": "0", "created_at": utc_now()}
    with engine.begin() as connection:
        connection.execute(insert(API_KEYS).values(**row))
    with pytest.raises(IntegrityError) as refused, engine.begin() as connection:
        connection.execute(insert(API_KEYS).values(**row))
    engine.dispose()
    assert "api_keys" in str(refused.value)
    assert "hunter2" not in str(refused.value)


if __name__ == "__main__":
    open_and_close(Path(sys.argv[1]))
