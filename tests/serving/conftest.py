"""A real server on a free port of 127.0.0.1, with keys; one with models and data, one with neither."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from mlflow.artifacts import download_artifacts

from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.hazard.model import FILE
from aftercast.models.registry.versions import MODEL_FOLDER, Version, champion_version, model_name, register
from aftercast.models.registry.versions import client as mlflow_of

PATIENCE_S = 60.0

Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., AbstractContextManager[httpx.Client]]


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
    return register(workspace, "failure", run.info.run_id, run.info.run_id, champion.until)


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
def bare_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make a workspace with neither data nor models."""
    fleet = FleetSpec(name="bare", components=(Component(name="pump"),))
    return create_workspace(tmp_path_factory.mktemp("bare") / "workspace", fleet)


@pytest.fixture(scope="session")
def bare_url(bare_workspace: Workspace, listening: Listening) -> Iterator[str]:
    """Address of the service on a workspace with neither data nor models."""
    with listening(bare_workspace) as url:
        yield url


@pytest.fixture(scope="session")
def bare_client(bare_url: str, bare_workspace: Workspace, client_of: ClientOf) -> Iterator[httpx.Client]:
    """Client with every scope, of the service without data."""
    with client_of(bare_url, bare_workspace, "admin") as client:
        yield client


@pytest.fixture(scope="session")
def stranger(bare_url: str) -> Iterator[httpx.Client]:
    """Client without a key, of the service without data."""
    with httpx.Client(base_url=bare_url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="session")
def client(fleet_workspace: Workspace, listening: Listening, client_of: ClientOf) -> Iterator[httpx.Client]:
    """Client with every scope, of the service on the shared simulated fleet, trained and scored."""
    with listening(fleet_workspace) as url, client_of(url, fleet_workspace, "admin") as found:
        yield found
