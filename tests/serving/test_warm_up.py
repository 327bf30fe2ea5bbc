"""A service compiles at its start what answers with records need."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aftercast.data.workspace import Workspace, open_workspace
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.models.scoring.what_if import rows_of_devices
from aftercast.operations.environment import quiet_libraries
from aftercast.serving.model_holder import Champions
from aftercast.serving.warm_up import warm_up, warming_up

PATIENCE_S = 300.0


@pytest.mark.slow
def test_nothing_is_left_to_compile_for_any_device(fleet_workspace: Workspace, tmp_path: Path) -> None:
    """With an empty folder of compiled kernels, in a process of its own: one device warms up for all."""
    here = [sys.executable, __file__, str(fleet_workspace.folder)]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    done = subprocess.run(here, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    warmed, afterwards = map(int, done.stdout.split()[-2:])
    assert 0 < warmed == afterwards


def test_what_goes_wrong_is_told_and_the_service_goes_on(
    fleet_workspace: Workspace, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    champions = Champions(fleet_workspace)
    champions.refresh()
    monkeypatch.setattr(type(fleet_workspace.store), "read", lambda *_args, **_more: 1 // 0)
    with warming_up(fleet_workspace, champions):
        deadline = time.monotonic() + PATIENCE_S
        while not caplog.messages and time.monotonic() < deadline:
            time.sleep(0.05)
    assert "answers with records could not be prepared: ZeroDivisionError" in caplog.messages


def test_a_service_without_rows_ends_although_it_waits_for_them(bare_workspace: Workspace) -> None:
    with warming_up(bare_workspace, Champions(bare_workspace)):
        waiting = [each for each in threading.enumerate() if each.name == "aftercast warm-up"]
    assert [each.is_alive() for each in waiting] == [False]


def _compiled() -> int:
    """Count the files of compiled code that numba has kept."""
    return len(list(Path(os.environ["NUMBA_CACHE_DIR"]).rglob("*.nbc")))


def _main() -> None:
    """Write how many kernels are compiled after the warm-up, and after rows of the whole fleet were made."""
    quiet_libraries()
    workspace = open_workspace(Path(sys.argv[1]))
    fleet = load_snapshot(snapshot_path(workspace.folder, "failure"))
    warm_up(workspace, fleet)
    sys.stdout.write(f"{_compiled()} ")
    rows_of_devices(workspace.store, workspace.fleet, fleet, [str(each) for each in fleet.ids], fleet.cutoff)
    sys.stdout.write(f"{_compiled()}\n")


if __name__ == "__main__":
    _main()
