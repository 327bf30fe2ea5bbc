"""The parts of the compose file with their own commands: PostgreSQL by a password in a file, MLflow on it, the service.

Only the names of hosts and folders are those of this machine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text
from tests.deploy.container import ROOT
from tests.deploy.named import SERVICES

pytestmark = [pytest.mark.service, pytest.mark.slow]

PATIENCE_S = 120.0
NOBODY = "nobody"
"""Who PostgreSQL runs as, which refuses root and users without a name."""
COMMAND = (sys.executable, "-m", "aftercast.cli.main")


@dataclass(frozen=True)
class Place:
    """Where the parts are here: what their addresses, files and programs are called on this machine."""

    names: Mapping[str, str]
    folder: Path

    def here(self, value: object) -> str:
        """Text of the compose file with the names of this machine."""
        found = str(value)
        for name, instead in self.names.items():
            found = found.replace(name, instead)
        return found

    def environment(self, service: str) -> dict[str, str]:
        """Environment of a part."""
        given = {name: self.here(value) for name, value in SERVICES[service]["environment"].items()}
        return {**os.environ, **{name: value for name, value in given.items() if not value.startswith("${")}}

    def words(self, service: str) -> list[str]:
        """Command of a part."""
        return [self.here(word) for word in SERVICES[service]["command"]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(words: Sequence[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def wait_until(come: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        if come():
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def takes_logins(port: int) -> bool:
    """Whether PostgreSQL has started; it listens before."""
    asked = ["pg_isready", "--quiet", "--host=127.0.0.1", f"--port={port}", "--username=aftercast", "--dbname=postgres"]
    return subprocess.run(asked, check=False).returncode == 0


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def postgres() -> Iterator[tuple[int, str]]:
    """Port and password of a PostgreSQL of our own, which knows `aftercast` alone and asks for the password."""
    if shutil.which("initdb") is None or os.getuid() != 0:
        pytest.skip("needs initdb and postgres on the path, and root, who may start them as somebody else")
    port, password = free_port(), secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="aftercast-postgres-") as name:
        folder = Path(name)
        (folder / "password").write_text(password)
        for path in (folder, folder / "password"):
            shutil.chown(path, NOBODY)
        nobody: dict[str, Any] = {"user": NOBODY, "extra_groups": (), "cwd": folder}
        make = ["initdb", "-D", "data", "--username=aftercast", "--pwfile=password", "--auth=scram-sha-256", "-N"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, **nobody)
        words = ["postgres", "-D", "data", "-p", str(port), "-k", "", "-c", "listen_addresses=127.0.0.1"]
        with running(words, folder / "log", **nobody) as process:
            wait_until(lambda: takes_logins(port), process, folder / "log")
            yield port, password


@pytest.fixture(scope="module")
def place(postgres: tuple[int, str], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The parts' names here, with the secrets as files and both databases made."""
    (port, password), folder = postgres, tmp_path_factory.mktemp("parts")
    pgpass = folder / "pgpass"
    pgpass.touch(mode=0o600)
    pgpass.write_text(f"127.0.0.1:{port}:*:aftercast:{password}\n")
    server = create_engine(
        f"postgresql+psycopg://aftercast@127.0.0.1:{port}/postgres?passfile={pgpass}", isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {SERVICES['postgres']['environment']['POSTGRES_DB']}"))
        connection.execute(text((ROOT / "deploy" / "postgres" / "mlflow.sql").read_text()))
    server.dispose()
    mlflow = str(free_port())
    names = {
        "postgres:5432": f"127.0.0.1:{port}",
        "/run/secrets/pgpass": str(pgpass),
        "/artifacts": str(folder / "artifacts"),
        "--allowed-hosts=": f"--allowed-hosts=127.0.0.1:{mlflow},",
        "http://mlflow:5000": f"http://127.0.0.1:{mlflow}",
        "--port=5000": f"--port={mlflow}",
        "0.0.0.0": "127.0.0.1",
        "'127.0.0.1', 5000": f"'127.0.0.1', {mlflow}",
    }
    return Place(names, folder)


@pytest.fixture(scope="module")
def mlflow(place: Place) -> Iterator[str]:
    """Address of the MLflow server, started by the part's own words."""
    program, *words = SERVICES["mlflow"]["entrypoint"]
    command = [sys.executable, "-m", program, *words, *place.words("mlflow")]
    address, log = place.here("http://mlflow:5000"), place.folder / "mlflow.log"
    with running(command, log, env=place.environment("mlflow"), cwd=place.folder) as process:
        wait_until(lambda: answers(f"{address}/health"), process, log)
        yield address


def test_mlflow_keeps_its_runs_in_postgres_and_answers_to_its_own_name_alone(place: Place, mlflow: str) -> None:
    asked = f"{mlflow}/api/2.0/mlflow/experiments/search"
    body = {"max_results": 10}
    inside = httpx.post(asked, json=body, headers={"Host": "mlflow:5000"})
    assert inside.status_code == 200, inside.text
    assert httpx.post(asked, json=body, headers={"Host": "elsewhere.example:5000"}).status_code == 403
    check = [sys.executable, *map(place.here, SERVICES["mlflow"]["healthcheck"]["test"][2:])]
    assert subprocess.run(check, check=False).returncode == 0
    kept = create_engine(place.environment("mlflow")["MLFLOW_BACKEND_STORE_URI"])
    with kept.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM experiments")).scalar_one() >= 1
    kept.dispose()
    assert not list(place.folder.glob("*.db"))


def test_the_service_waits_for_the_upgrade_and_then_answers_from_both(place: Place, mlflow: str) -> None:
    workspace = place.folder / "workspace"
    environment = place.environment("serve") | {"AFTERCAST_WORKSPACE": str(workspace)}
    environment |= {"AFTERCAST_SERVING__PORT": str(free_port())}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*COMMAND, *words], env=environment, capture_output=True, text=True, check=False)

    assert run("init", str(workspace)).returncode == 0
    early = run("keys", "list")
    assert (early.returncode, "aftercast database upgrade" in early.stderr) == (2, True)
    assert run(*place.words("upgrade")).returncode == 0
    key = run("keys", "create", "--name", "parts").stdout.strip()

    log = place.folder / "serve.log"
    url = f"http://127.0.0.1:{environment['AFTERCAST_SERVING__PORT']}"
    with running([*COMMAND, *place.words("serve")], log, env=environment) as process:
        wait_until(lambda: answers(f"{url}/health"), process, log)
        asked = httpx.get(f"{url}/v1/model", headers={"X-API-Key": key})
        assert httpx.get(f"{url}/v1/model").status_code == 401
    drained = run(*[word for word in place.words("drain") if word != "--follow"])
    assert (drained.returncode, drained.stdout.strip()) == (0, "The inbox is empty.")
    assert asked.status_code == 200, asked.text
    assert "aftercast train failure" in asked.json()["missing"]["failure"]
    assert not (workspace / "aftercast.db").exists()
    assert not (workspace / "mlflow.db").exists()
    for path in (log, place.folder / "mlflow.log"):
        assert (place.folder / "pgpass").read_text().strip().rpartition(":")[2] not in path.read_text()
