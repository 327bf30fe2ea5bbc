"""Commands whose MLflow server is away say so soon, by its address; one that is slow is given its time."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner

from aftercast.cli.main import app
from aftercast.data.workspace import Workspace, open_workspace
from aftercast.models.registry.contact import require_answer
from aftercast.models.registry.versions import client, needing_registry
from aftercast.operations.environment import FIRST_QUESTION, first_question
from aftercast.operations.errors import WorkspaceError

SOON_S = 30.0
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def _patience_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, _ in FIRST_QUESTION.values():
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def away() -> str:
    """Address where nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://ann:hunter2@127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def served(answer: Answer) -> Iterator[str]:
    """Address of a server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def say(request: BaseHTTPRequestHandler, status: int, text: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(text)))
    request.end_headers()
    request.wfile.write(text)


@pytest.mark.parametrize(
    "words", [("train", "failure", "--seed", "7"), ("tune", "failure", "--trials", "2"), ("score",), ("status",)]
)
def test_a_command_says_soon_that_nobody_answers_where_and_what_to_do(
    words: tuple[str, ...], own_fleet: Workspace, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFTERCAST_MLFLOW__ADDRESS", away)
    begun = time.monotonic()
    error = CliRunner().invoke(app, [*words, "-w", str(own_fleet.folder)]).exception
    assert time.monotonic() - begun < SOON_S
    assert isinstance(error, WorkspaceError)
    assert f"at {away.replace('ann:hunter2@', '')} failed: no answer (ConnectionError)" in error.message
    assert "AFTERCAST_MLFLOW__ADDRESS" in error.hint
    assert "hunter2" not in str(error)


@pytest.mark.slow
def test_a_server_that_takes_connections_and_never_answers_is_told_as_well() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        begun = time.monotonic()
        with pytest.raises(WorkspaceError, match="no answer"):
            require_answer(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert time.monotonic() - begun < SOON_S


def test_what_is_no_mlflow_is_told() -> None:
    with (
        served(lambda request: say(request, 404, b"nothing here")) as url,
        pytest.raises(WorkspaceError, match=url),
    ):
        require_answer(url)


def test_a_slow_server_is_waited_for_and_asked_first_once_in_a_process() -> None:
    asked: list[str] = []

    def slow(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        time.sleep(2)
        say(request, 200, b"{}")

    with served(slow) as url:
        require_answer(url)
        require_answer(url)
    assert len(asked) == 1


def test_what_the_user_chose_goes_before_our_patience_and_nothing_is_put_into_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    assert first_question() == {"max_retries": 1, "backoff_factor": 1}
    before = dict(os.environ)
    seen: list[dict[str, str]] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        seen.append(dict(os.environ))
        say(request, 200, b"{}")

    with served(answer) as url:
        require_answer(url)
    assert seen == [before]


def test_a_server_that_goes_away_during_the_work_is_told_by_its_address(
    fleet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with served(lambda request: say(request, 200, b"{}")) as url:
        monkeypatch.setenv("AFTERCAST_MLFLOW__ADDRESS", url)
        workspace = open_workspace(fleet_folder)
        mlflow = client(workspace)
    with pytest.raises(WorkspaceError, match=url), needing_registry(workspace):
        mlflow.create_run("0")


def test_an_error_of_a_server_that_answers_stays_what_it_is(fleet_folder: Path) -> None:
    workspace = open_workspace(fleet_folder)
    with pytest.raises(MlflowException), needing_registry(workspace):
        client(workspace).get_run("no-such-run")
