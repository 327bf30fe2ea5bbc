"""The same commands against servers: PostgreSQL for records, MLflow for models, Prefect for flows."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from tests.fleet import TABLES

from aftercast.data.workspace import FLEET_FILE, Workspace
from aftercast.operations.environment import LIBRARY_DEFAULTS

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(420)]

PATIENCE_S = 120.0
POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432"
COMMAND = (sys.executable, "-m", "aftercast.cli.main")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Address of a database of our own on the local PostgreSQL."""
    server = create_engine(f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT")
    name = f"aftercast_{uuid.uuid4().hex[:12]}"
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        pytest.skip("no PostgreSQL answers on 127.0.0.1:5432")
    yield f"{POSTGRES}/{name}"
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(words: list[str], health: str, log: Path, **environment: str) -> Iterator[None]:
    """Run a server until the block ends; it is ended by its own process id."""
    with log.open("w") as output:
        process = subprocess.Popen(
            words, env={**os.environ, **LIBRARY_DEFAULTS, **environment}, stdout=output, stderr=output
        )
        try:
            wait_until_healthy(health, process, log)
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    raise AssertionError(f"{url} did not answer: {log.read_text()}")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[dict[str, str]]:
    """Environment that names all three servers."""
    folder = tmp_path_factory.mktemp("servers")
    mlflow, prefect = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    mlflow_words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", mlflow.rsplit(":", 1)[1]]
    mlflow_words += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    mlflow_words += ["--artifacts-destination", str(folder / "artifacts")]
    prefect_words = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--no-ui"]
    prefect_words += ["--port", prefect.rsplit(":", 1)[1]]
    with ExitStack() as running:
        running.enter_context(server(mlflow_words, f"{mlflow}/health", folder / "mlflow.log"))
        home = str(folder / "prefect")
        running.enter_context(server(prefect_words, f"{prefect}/api/health", folder / "prefect.log", PREFECT_HOME=home))
        yield {
            "AFTERCAST_DATABASE__ADDRESS": postgres,
            "AFTERCAST_MLFLOW__ADDRESS": mlflow,
            "AFTERCAST_PREFECT__MODE": "server",
            "AFTERCAST_PREFECT__ADDRESS": f"{prefect}/api",
        }


def test_import_train_score_and_list_run_against_servers(
    servers: dict[str, str], fleet_workspace: Workspace, tmp_path: Path
) -> None:
    def run(*words: str) -> str:
        done = subprocess.run(
            [*COMMAND, *words, "--workspace", str(tmp_path / "fleet")],
            env={**os.environ, **servers}, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    subprocess.run([*COMMAND, "init", str(tmp_path / "fleet")], check=True, stdout=subprocess.DEVNULL)
    shutil.copy(fleet_workspace.path(FLEET_FILE), tmp_path / "fleet" / FLEET_FILE)
    tables = fleet_workspace.folder.parent / TABLES / "tables"
    run("import", "tables", str(tables))
    run("train", "failure")
    scored = json.loads(run("score", "--json"))["runs"][0]
    rows = json.loads(run("risk-list", "--format", "json"))["rows"]

    assert len(rows) == scored["scored"]
    assert not (tmp_path / "fleet" / "aftercast.db").exists()
    assert not (tmp_path / "fleet" / "mlflow.db").exists()
    found = httpx.post(f"{servers['AFTERCAST_PREFECT__ADDRESS']}/flow_runs/filter", json={}).json()
    assert [run["state_type"] for run in found] == ["COMPLETED"] * 3
    models = httpx.get(
        f"{servers['AFTERCAST_MLFLOW__ADDRESS']}/api/2.0/mlflow/registered-models/alias",
        params={"name": "aftercast-failure", "alias": "champion"},
    )
    assert models.json()["model_version"]["version"] == "1"
