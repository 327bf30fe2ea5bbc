"""The service as the container file runs it: nobody's user, no capability, nothing to write but workspace and /tmp."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.deploy.container import (
    PATIENCE_S,
    ROOT,
    Container,
    Process,
    can_confine,
    environment_of,
    instructions,
    interpreter_folders,
    last_stage,
)

from aftercast.data.workspace import Workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.operations.database.keys import create_key

pytestmark = [pytest.mark.service, pytest.mark.slow]

IMAGE = last_stage(instructions(ROOT / "Dockerfile"))
COMMAND = (sys.executable, "-m", "aftercast.cli.main")
"""What the entry point `aftercast` is here."""
WRITTEN = {"audit", "last-good", "aftercast.db", "aftercast.db-wal", "aftercast.db-shm", "mlflow.db"}
"""What the service changes in its workspace, by its first name."""
TRIED = """
import os, sys
for place in sys.argv[1:]:
    try:
        open(os.path.join(place, "written"), "w").close()
        print(place, "written")
    except OSError as error:
        print(place, os.strerror(error.errno))
"""


@dataclass(frozen=True)
class Running:
    """The service in its container."""

    container: Container
    process: Process
    environment: dict[str, str]
    workspace: Workspace
    before: dict[Path, tuple[int, int]]
    log: Path

    @property
    def url(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self.environment['AFTERCAST_SERVING__PORT']}"


def said(word: str) -> list[str]:
    """Words of the only instruction of a kind, which must be in the exec form."""
    (found,) = [instruction for instruction in IMAGE if instruction.word == word]
    return found.exec_form()


@pytest.fixture(scope="module")
def user() -> int:
    """Number of the user that the image runs as."""
    (found,) = [instruction.rest for instruction in IMAGE if instruction.word == "USER"]
    number, group = found.split(":")
    assert number == group
    return int(number)


@pytest.fixture
def running(own_fleet: Workspace, tmp_path: Path, user: int) -> Iterator[Running]:
    """The image's own command in a container that sees the workspace."""
    if not can_confine():
        pytest.skip("this machine lets us make no namespaces: root, unshare, mount, chroot and setpriv are needed")
    (tmp_path / "root").mkdir()
    (tmp_path / "tmp").mkdir(mode=0o777)
    (tmp_path / "tmp").chmod(0o1777)
    own_fleet.database.dispose()
    give(own_fleet.folder, user)
    container = Container(tmp_path / "root", user, interpreter_folders(), (own_fleet.folder,), tmp_path / "tmp")
    environment = environment_here(own_fleet)
    before = times(own_fleet.folder)
    with container.running([*COMMAND, *said("CMD")], environment, tmp_path / "service.log") as process:
        found = Running(container, process, environment, own_fleet, before, tmp_path / "service.log")
        wait_ready(found)
        yield found


def environment_here(workspace: Workspace) -> dict[str, str]:
    """Environment of the image, with the addresses of this machine in place of the image's own."""
    found = environment_of(IMAGE)
    found |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PYTHONPATH") if name in os.environ}
    found |= {"AFTERCAST_WORKSPACE": str(workspace.folder), "AFTERCAST_SERVING__HOST": "127.0.0.1"}
    return found | {"AFTERCAST_SERVING__PORT": str(free_port()), "OMP_NUM_THREADS": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def give(folder: Path, user: int) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, user)


def times(folder: Path) -> dict[Path, tuple[int, int]]:
    """When each file was changed, and its size."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


def wait_told(words: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def wait_ready(running: Running) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert running.process.outer.poll() is None, running.log.read_text()
        try:
            if httpx.get(f"{running.url}/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(running.log.read_text())


def test_it_answers_as_nobody_on_a_read_only_root_and_stops_when_asked(running: Running, user: int) -> None:
    """By id; with records, for which the window kernels are compiled; and it ends by itself, as the first process."""
    status = running.process.status
    assert status["Uid"].split() == [str(user)] * 4
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"

    _, key = create_key(running.workspace.database, "container")
    give(running.workspace.folder, user)
    rows = load_snapshot(snapshot_path(running.workspace.folder, "failure"))
    device = {"device_id": str(rows.ids[0])}
    sensor = running.workspace.fleet.sensors[0].name
    moment = (rows.cutoff.floor("s")).isoformat()
    brought = device | {"telemetry": [{"event_time": moment, "available_at": moment, sensor: 1.0}]}
    with httpx.Client(base_url=running.url, headers={"X-API-Key": key}, timeout=PATIENCE_S) as client:
        for asked in (device, brought):
            if asked is brought:
                wait_told("answers with records are prepared", running.log)
            answered = client.post("/v1/failure-risk", json={"devices": [asked]})
            assert answered.status_code == 200, answered.text
            assert answered.json()["results"][0]["status"] == "answered"

    healthy = running.container.run([sys.executable, *said("HEALTHCHECK")[1:]], running.environment)
    assert healthy.returncode == 0, healthy.stderr
    assert running.process.stop() == 0
    after = times(running.workspace.folder)
    changed = {path for path in after if after[path] != running.before.get(path)}
    assert {path.relative_to(running.workspace.folder).parts[0] for path in changed} <= WRITTEN
    assert running.before.keys() <= after.keys()
    kept = {path.name for path in running.container.temporary.iterdir() if path.stat().st_uid == user}
    assert kept == {"numba"}
    unwell = running.container.run([sys.executable, *said("HEALTHCHECK")[1:]], running.environment)
    assert unwell.returncode != 0


def test_nothing_can_be_written_but_the_workspace_and_temporary_files(running: Running) -> None:
    code = str(Path(shutil.__file__).parent)
    folders = ["/", "/usr/lib", "/etc", code, str(ROOT), str(running.workspace.folder), "/tmp"]
    tried = running.container.run([sys.executable, "-c", TRIED, *folders], running.environment)
    found = dict(line.split(" ", 1) for line in tried.stdout.splitlines())
    assert [found.pop(str(running.workspace.folder)), found.pop("/tmp")] == ["written"] * 2
    assert set(found.values()) <= {"Read-only file system", "Permission denied", "No such file or directory"}
    assert "Read-only file system" in found["/usr/lib"]
    assert not (ROOT / "written").exists()
