"""The doctor waits for nobody: servers that are away, silent, slow or stuck each become a finding with its mend."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.cli.doctor.reach import OverdueError, get, require_listener, within
from aftercast.cli.doctor.runner import Line, examine
from aftercast.data.workspace import Workspace
from aftercast.operations.database.engine import open_database
from aftercast.operations.environment import SERVICE_DEFAULTS
from aftercast.operations.errors import WorkspaceError

POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432"
Set = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def _as_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries have the patience that `aftercast doctor` gives them."""
    for name, value in SERVICE_DEFAULTS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Function that changes a setting, named as in ``mlflow.address``, through the environment."""

    def change(name: str, value: object) -> None:
        monkeypatch.setenv(f"AFTERCAST_{name.replace('.', '__').upper()}", str(value))

    return change


@pytest.fixture
def silent() -> Iterator[int]:
    """Port of a server that takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def nobody() -> int:
    """Port where nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def served(answer: Callable[[BaseHTTPRequestHandler, threading.Event], None]) -> Iterator[int]:
    """Port of a server; what it answers with is told when the block ends."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, over)

        do_POST = do_GET  # noqa: N815  # the name the library calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield int(server.server_address[1])
        over.set()
        server.shutdown()
        thread.join()


def dripping(request: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Answer with a byte each half second, each of which looks like life."""
    try:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not over.wait(0.5):
            request.wfile.write(b" ")
            request.wfile.flush()
    except OSError:
        return


def healthy_but_stuck(request: BaseHTTPRequestHandler, over: threading.Event) -> None:
    """Answer about health at once and everything else never."""
    if request.path != "/health":
        over.wait()
        return
    request.send_response(200)
    request.send_header("Content-Length", "2")
    request.end_headers()
    request.wfile.write(b"OK")


def said(lines: list[Line], check: str) -> list[Finding]:
    return [line.finding for line in lines if line.check == check]


def test_what_is_late_is_told_and_left_behind() -> None:
    over = threading.Event()
    with pytest.raises(OverdueError, match=r"^The archive did not answer within 0\.05 seconds\.") as late:
        within(0.05, over.wait, what="The archive", hint="Wake it.")
    over.set()
    assert late.value.hint == "Wake it."


def test_what_ends_in_time_is_returned_or_raised() -> None:
    assert within(60, lambda: 7, what="It", hint="") == 7
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 / 0, what="It", hint="")


def test_a_server_that_drips_is_not_waited_for() -> None:
    with served(dripping) as port, pytest.raises(OverdueError, match="did not answer within 4 seconds"):
        get(f"http://127.0.0.1:{port}/ready")


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999", "http://[::1", "nonsense", ""])
def test_an_address_that_is_none_is_an_error_for_people(address: str) -> None:
    with pytest.raises(WorkspaceError, match="does not answer"):
        get(address)
    with pytest.raises(WorkspaceError, match="does not answer"):
        require_listener(address, 1)


def test_a_service_that_takes_connections_and_never_answers_is_a_problem(
    fleet_folder: Path, setting: Set, silent: int
) -> None:
    setting("serving.port", silent)
    (found,) = said(list(examine(fleet_folder)), "service")
    assert (found.level, found.found) == ("problem", f"What listens on 127.0.0.1:{silent} does not answer.")
    assert "`aftercast serve`" in found.mend


def test_where_no_service_listens_nothing_is_wrong(fleet_folder: Path, setting: Set, nobody: int) -> None:
    setting("serving.port", nobody)
    (found,) = said(list(examine(fleet_folder)), "service")
    assert (found.level, found.found) == ("ok", f"Nothing listens on 127.0.0.1:{nobody}.")


def test_a_service_that_is_ready_is_said_to_be(
    own_fleet: Workspace, setting: Set, listening: Callable[[Workspace], AbstractContextManager[str]]
) -> None:
    with listening(own_fleet) as url:
        setting("serving.port", url.rpartition(":")[2])
        (found,) = said(list(examine(own_fleet.folder)), "service")
    assert (found.level, "is ready" in found.found) == ("ok", True)


@pytest.mark.slow
def test_a_registry_that_is_alive_but_stuck_is_a_problem(fleet_folder: Path, setting: Set) -> None:
    with served(healthy_but_stuck) as port:
        setting("mlflow.address", f"http://127.0.0.1:{port}")
        lines = list(examine(fleet_folder))
    (found,) = said(lines, "mlflow")
    assert found.level == "problem"
    assert "registry of models" in found.found
    assert "mlflow.address" in found.mend
    assert [(one.level, one.mend) for one in said(lines, "champion")] == [("warning", "See 'mlflow'.")]


def test_a_silent_database_is_a_problem_told_once(fleet_folder: Path, setting: Set, silent: int) -> None:
    setting("database.address", f"postgresql+psycopg://ann:hunter2@127.0.0.1:{silent}/fleet")
    lines = list(examine(fleet_folder))
    (found,) = said(lines, "database")
    assert found.level == "problem"
    assert "timeout" in found.found
    assert "database.address" in found.mend
    for check in ("store", "inbox", "keys", "audit"):
        assert [(one.level, one.mend) for one in said(lines, check)] == [("warning", "See 'database'.")]
    assert "hunter2" not in str(lines)


@pytest.mark.service
def test_a_database_whose_table_is_locked_is_not_waited_for(tmp_path: Path, fleet_folder: Path, setting: Set) -> None:
    server, name = create_engine(f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT"), f"aftercast_{uuid.uuid4().hex}"
    try:
        server.connect().close()
    except OperationalError:
        pytest.skip("no PostgreSQL answers on 127.0.0.1:5432")
    with server.connect() as admin:
        admin.execute(text(f"CREATE DATABASE {name}"))
    engine = open_database(f"{POSTGRES}/{name}", tmp_path)
    setting("database.address", f"{POSTGRES}/{name}")
    with engine.begin() as holder:
        holder.execute(text("LOCK TABLE aftercast_revision IN ACCESS EXCLUSIVE MODE"))
        (stuck,) = said(list(examine(fleet_folder)), "database")
    (free,) = said(list(examine(fleet_folder)), "database")
    engine.dispose()
    with server.connect() as admin:
        admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()
    assert (stuck.level, "statement timeout" in stuck.found) == ("problem", True)
    assert (free.level, "revision" in free.found) == ("ok", True)


@pytest.mark.slow
def test_a_disk_that_hangs_ends_the_check_and_not_the_examination(own_fleet: Workspace) -> None:
    """A named pipe among the segments of the log is a file that can be opened only once somebody writes."""
    own_fleet.audit.append("key.created", {"key_id": "x"})
    own_fleet.audit.close()
    (segment,) = own_fleet.path("audit").glob("*.jsonl")
    pipe = segment.with_name(f"{int(segment.stem) + 1:06d}.jsonl")
    os.mkfifo(pipe)
    lines = list(examine(own_fleet.folder))
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # lets the thread that waits go
    assert said(lines, "audit")[-1].found == "What 'audit' looks at did not answer within 20 seconds."
    assert "aftercast doctor" in said(lines, "audit")[-1].mend
    assert said(lines, "keys") != []


@pytest.mark.parametrize(
    ("check", "name", "address", "level"),
    [
        ("tracing", "tracing.address", "http://aftercast:hunter2@127.0.0.1:{port}", "warning"),
    ],
)
def test_helpers_of_the_service_that_are_away_are_told(
    check: str, name: str, address: str, level: str, *, fleet_folder: Path, setting: Set, nobody: int, silent: int
) -> None:
    setting(name, address.format(port=nobody))
    (found,) = said(list(examine(fleet_folder)), check)
    assert (found.level, str(nobody) in found.found, name in found.mend) == (level, True, True)
    assert "hunter2" not in str(found)
    setting(name, address.format(port=silent))
    assert [one.level for one in said(list(examine(fleet_folder)), check)] == ["ok"]


@pytest.mark.parametrize(
    ("name", "value", "found", "mend"),
    [
        ("serving.rate_limit", "often", "'often' is not a rate limit", "600/minute"),
    ],
)
def test_limits_that_are_not_understood_are_a_problem(
    name: str, value: str, found: str, mend: str, *, fleet_folder: Path, setting: Set
) -> None:
    setting(name, value)
    (one,) = said(list(examine(fleet_folder)), "limits")
    assert (one.level, found in one.found, mend in one.mend) == ("problem", True, True)


def test_a_part_is_asked_for_once(fleet_folder: Path) -> None:
    deployment = Deployment(fleet_folder)
    assert deployment.champion("failure") is deployment.champion("failure")
    assert deployment.database is deployment.database
    deployment.close()
