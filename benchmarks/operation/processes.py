"""Processes of a deployment: service, drain, MLflow server, a PostgreSQL of our own; each ended by its own id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PATIENCE_S: Final = 120.0
AFTERCAST: Final = str(Path(sys.executable).with_name("aftercast"))
MLFLOW: Final = str(Path(sys.executable).with_name("mlflow"))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Processes started within the block run on these cores; on any where there are none or the system cannot say."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Part:
    """A process that can be killed and started again.

    Attributes
    ----------
    command
        Started in a session of its own, so that its children die with it.
    ready
        Whether it can be used; asked until it says so.
    user
        System user it runs as; None for ours.
    """

    name: str
    command: Sequence[str]
    log: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises
        ------
        RuntimeError
            If it ends, or is not ready in time.
        """
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdout=out,
                stderr=out,
                env={**os.environ, **self.environment},
                start_new_session=True,
                user=self.user,
                cwd="/",
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it can be used."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.ready():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not become ready; see {self.log}")
            time.sleep(0.05)

    def pause(self) -> None:
        """Stop it and its children where they are, so that they take no time from others."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it and its children go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, number)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and its children, and wait for that."""
        if self.process is None:
            return
        for stop in (how, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, stop)
                self.process.wait(20)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process = None


def answers(url: str, statuses: Sequence[int] = (200,)) -> bool:
    """Whether an address answers with one of the statuses."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status) in statuses
    except urllib.error.HTTPError as error:
        return error.code in statuses
    except OSError:
        return False


def service(folder: Path, port: int, log: Path, environment: Mapping[str, str] | None = None) -> Part:
    """`aftercast serve` on a workspace."""
    command = [AFTERCAST, "serve", "--port", str(port), "--workspace", str(folder)]
    return Part("service", command, log, lambda: answers(f"http://127.0.0.1:{port}/ready"), environment or {})


def drain(folder: Path, log: Path, environment: Mapping[str, str] | None = None, *, every_s: float = 0.5) -> Part:
    """`aftercast drain --follow` on a workspace, which looks every so many seconds."""
    command = [AFTERCAST, "drain", "--follow", "--every", str(every_s), "--workspace", str(folder)]
    return Part("drain", command, log, lambda: True, environment or {})


def mlflow_server(folder: Path, port: int, log: Path) -> Part:
    """MLflow server with its database and artifacts in a folder."""
    command = [MLFLOW, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    return Part("registry", command, log, lambda: answers(f"http://127.0.0.1:{port}/health"))


def postgres_server(folder: Path, port: int, log: Path) -> Part | None:
    """PostgreSQL of our own with its data in a folder; None where none is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("postgres") or "/none").parent]
    programs = found[-1]
    if not (programs / "postgres").exists():
        return None
    user = "postgres" if os.getuid() == 0 else None
    data = folder / "postgres"
    data.mkdir()
    if user is not None:
        os.chown(data, pwd.getpwnam(user).pw_uid, -1)
        folder.chmod(0o755)
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "aftercast", "--auth=trust", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd="/")
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(data)]
    ask = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "aftercast", "-d", "postgres"]
    return Part("database", command, log, lambda: subprocess.run(ask, check=False).returncode == 0, user=user)
