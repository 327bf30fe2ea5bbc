"""The fleet every integration test may read, one copy for a test session; and a real server on any workspace."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from filelock import FileLock
from tests.fleet import WORKSPACE, kept_fleet

from aftercast.data.workspace import Workspace, open_workspace
from aftercast.models.registry.relocation import follow_move
from aftercast.operations.database.keys import create_key
from aftercast.serving.app import create_app
from aftercast.serving.http_protocol import WithoutTrailers

PATIENCE_S = 60.0

CopyFleet = Callable[[Path], Workspace]
Listening = Callable[[Workspace], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def fleet_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Folder of the fleet's workspace, copied by the first worker that needs it; to be read, not changed."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    folder, ready = shared / "fleet", shared / "fleet.ready"
    with FileLock(shared / "fleet.lock"):
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(kept_fleet(), folder)
            follow_move(open_workspace(folder / WORKSPACE))
            ready.touch()
    return folder / WORKSPACE


@pytest.fixture(scope="session")
def fleet_workspace(fleet_folder: Path) -> Workspace:
    """Workspace with 60 simulated devices over 150 days, both models trained, the last cutoff scored; read only."""
    return open_workspace(fleet_folder)


@pytest.fixture
def own_fleet(copy_fleet: CopyFleet, tmp_path: Path) -> Iterator[Workspace]:
    """Copy of the fleet's workspace that a test may change; its models come along."""
    workspace = copy_fleet(tmp_path / "fleet")
    yield workspace
    shutil.rmtree(workspace.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def copy_fleet(fleet_folder: Path) -> CopyFleet:
    """Copy the fleet's workspace into a folder.

    The copy begins an audit log of its own: a service of another test may be writing to that of the fleet.
    """
    return lambda folder: _copied_fleet(fleet_folder, folder)


def _copied_fleet(fleet_folder: Path, folder: Path) -> Workspace:
    left_out = shutil.ignore_patterns("simulated", "last-good", "audit", "*.lock", "*.db", "*.db-*")
    shutil.copytree(fleet_folder, folder, ignore=left_out)
    for database in fleet_folder.glob("*.db"):
        copy_database(database, folder / database.name)
    with closing(sqlite3.connect(folder / "aftercast.db")) as connection, connection:
        connection.execute("DELETE FROM audit_anchors")
    return open_workspace(folder)


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite file through SQLite.

    Reading it as a file would end every lock this process holds on it as soon as that file is closed (POSIX), and
    another process would then remove the write-ahead log under our open connections: "disk I/O error".
    """
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


@contextmanager
def _listening(workspace: Workspace) -> Iterator[str]:
    app = create_app(workspace, check_every_s=0.2)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http=WithoutTrailers, log_level="warning", access_log=False, ws="none"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="service under test")
    thread.start()
    try:
        yield f"http://127.0.0.1:{_port(server, thread)}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


def _port(server: uvicorn.Server, thread: threading.Thread) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while not server.started:
        assert thread.is_alive(), "the service ended while starting"
        assert time.monotonic() < deadline, "the service did not start"
        time.sleep(0.01)
    return int(server.servers[0].sockets[0].getsockname()[1])


def _client(url: str, workspace: Workspace, *scopes: str) -> httpx.Client:
    _, key = create_key(workspace.database, "test", scopes)
    return httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=PATIENCE_S)


@pytest.fixture(scope="session")
def listening() -> Listening:
    """Run the service on a workspace for the length of a with block; gives its address."""
    return _listening


@pytest.fixture(scope="session")
def client_of() -> Callable[..., httpx.Client]:
    """Client of an address and workspace whose key has the scopes named after them."""
    return _client
