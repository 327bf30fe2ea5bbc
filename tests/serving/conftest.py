"""A real server on a free port of 127.0.0.1, with keys; one with models and data, one with neither."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
import uvicorn
from mlflow.artifacts import download_artifacts

from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.records.keys import create_key
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.hazard.persistence import FILE
from aftercast.models.registry import MODEL_FOLDER, Version, champion_version, model_name, register
from aftercast.models.registry import client as mlflow_of
from aftercast.serving.app import create_app

PATIENCE_S = 60.0


Listening = Callable[[Workspace], AbstractContextManager[str]]


@contextmanager
def _listening(workspace: Workspace) -> Iterator[str]:
    app = create_app(workspace, check_every_s=0.2)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False, ws="none")
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


def _register_changed(workspace: Workspace, change: Callable[[Path], None]) -> Version:
    champion = champion_version(workspace, "failure")
    assert champion is not None
    source = mlflow_of(workspace)
    run = source.create_run(source.get_experiment_by_name(model_name("failure")).experiment_id)
    with TemporaryDirectory() as temporary:
        copied = Path(temporary) / "model"
        shutil.copytree(_logged(workspace, champion), copied)
        change(next(copied.rglob(FILE)).parent)
        source.log_artifacts(run.info.run_id, str(copied), MODEL_FOLDER)
    return register(workspace, "failure", run.info.run_id, key=run.info.run_id)


def _logged(workspace: Workspace, version: Version) -> str:
    """Folder that MLflow logged, the files of ours within."""
    found: str = download_artifacts(
        artifact_uri=f"runs:/{version.run_id}/{MODEL_FOLDER}", tracking_uri=workspace.mlflow_address
    )
    return found


@pytest.fixture(scope="session")
def register_changed() -> Callable[[Workspace, Callable[[Path], None]], Version]:
    """Register a copy of the champion whose files a function changed, under a run of its own; it is not champion."""
    return _register_changed


@pytest.fixture(scope="session")
def listening() -> Listening:
    """Run the service on a workspace for the length of a with block; gives its address."""
    return _listening


@pytest.fixture(scope="session")
def client_of() -> Callable[..., httpx.Client]:
    """Client of an address and workspace whose key has the scopes named after them."""
    return _client


@pytest.fixture(scope="session")
def bare_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make a workspace with neither data nor models."""
    fleet = FleetSpec(name="bare", components=(Component(name="pump"),))
    return create_workspace(tmp_path_factory.mktemp("bare") / "workspace", fleet)


@pytest.fixture(scope="session")
def bare_url(bare_workspace: Workspace) -> Iterator[str]:
    """Address of the service on a workspace with neither data nor models."""
    with _listening(bare_workspace) as url:
        yield url


@pytest.fixture(scope="session")
def bare_client(bare_url: str, bare_workspace: Workspace) -> Iterator[httpx.Client]:
    """Client with every scope, of the service without data."""
    with _client(bare_url, bare_workspace, "admin") as client:
        yield client


@pytest.fixture(scope="session")
def stranger(bare_url: str) -> Iterator[httpx.Client]:
    """Client without a key, of the service without data."""
    with httpx.Client(base_url=bare_url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="session")
def client(fleet_workspace: Workspace) -> Iterator[httpx.Client]:
    """Client with every scope, of the service on the shared simulated fleet, trained and scored."""
    with _listening(fleet_workspace) as url, _client(url, fleet_workspace, "admin") as found:
        yield found
