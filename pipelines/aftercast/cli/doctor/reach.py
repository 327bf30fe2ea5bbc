"""Whether somebody answers, asked for a few seconds at most, whatever the other side does."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Final, TypeVar
from urllib.parse import urlsplit

import httpx

from aftercast.data.workspace import Workspace
from aftercast.models.registry.health import require_registry
from aftercast.models.registry.versions import has_registry
from aftercast.operations.errors import AftercastError, NotFoundError, WorkspaceError

PATIENCE_S: Final = 3
PART_S: Final = 10.0
"""Longest wait for a part of the workspace."""
START: Final = "Start it, or correct its address."
HERE: Final = ("127.0.0.1", "::1", "localhost")
ResultT = TypeVar("ResultT")


class OverdueError(AftercastError):
    """Something did not end in time; caught by the edge around each check."""


class NobodyThereError(WorkspaceError):
    """Nobody listens at an address; caught by checks to which that is no problem."""


def within(seconds: float, work: Callable[[], ResultT], *, what: str, hint: str) -> ResultT:
    """Result of work, which runs in a thread that is left behind where it takes longer.

    Raises
    ------
    OverdueError
        If it takes longer; what is the beginning of the sentence, hint what to do.
    """
    outcome: Future[ResultT] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:  # noqa: BLE001  # the edge of a thread: whoever waits gets it
            outcome.set_exception(error)

    Thread(target=run, name="aftercast doctor", daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError as error:
        raise OverdueError(f"{what} did not answer within {seconds:g} seconds.", hint) from error


def get(url: str) -> httpx.Response:
    """Answer of an address, whatever its status.

    Raises
    ------
    NobodyThereError
        If nobody takes the connection.
    WorkspaceError
        If what takes it does not answer in time, or not in HTTP.
    """

    def asked() -> httpx.Response:
        # A proxy named by the environment must not be asked about this machine.
        with httpx.Client(timeout=PATIENCE_S, trust_env=httpx.URL(url).host not in HERE) as client:
            return client.get(url, follow_redirects=True)

    try:
        return within(PATIENCE_S + 1, asked, what=url, hint=START)
    except httpx.ConnectError as error:
        raise NobodyThereError(f"{url} does not answer: {type(error).__name__}.", START) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WorkspaceError(f"{url} does not answer: {type(error).__name__}.", START) from error


def require_listener(address: str, usual_port: int) -> None:
    """Check that somebody takes connections at an address; raises NobodyThereError where not."""
    try:
        parts = urlsplit(address)
        where = (parts.hostname or "", usual_port if parts.port is None else parts.port)
        socket.create_connection(where, timeout=PATIENCE_S).close()
    except (OSError, ValueError) as error:
        raise NobodyThereError(f"{address} does not answer: {type(error).__name__}.", START) from error


def require_tracking(place: Workspace) -> None:
    """Check that MLflow can be asked about models.

    Raises
    ------
    NotFoundError
        If it is a file that is not there.
    WorkspaceError
        If it does not answer, or cannot be read.
    """
    if place.mlflow_address.startswith("http"):
        get(f"{place.mlflow_address.rstrip('/')}/health")
    elif not has_registry(place):
        raise NotFoundError(
            "There is no registry of models.", "Run `aftercast train failure`, with --again if it was trained before."
        )
    hint = "Look at the log of the MLflow server, and correct mlflow.address."
    within(PART_S, lambda: require_registry(place), what="The registry of models", hint=hint)
