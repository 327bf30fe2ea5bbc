"""The service as its own process, started by the name the command line uses."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import httpx

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key

PATIENCE_S = 60.0
COMMAND = (sys.executable, "-m", "uvicorn", "--factory", "aftercast.serving.app:from_environment", "--no-access-log")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _alive(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the service ended while starting"
        try:
            httpx.get(f"{url}/health").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the service did not start")


def test_the_process_answers_logs_json_and_ends_cleanly(bare_workspace: Workspace) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "AFTERCAST_WORKSPACE": str(bare_workspace.folder)}
    _, key = create_key(bare_workspace.database, "process")
    process = subprocess.Popen(
        [*COMMAND, "--port", str(port)], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        _alive(url, process)
        answered = httpx.get(f"{url}/v1/model", headers={"X-API-Key": key, "X-Request-ID": "process-test"})
    finally:
        process.terminate()
        _, log = process.communicate(timeout=PATIENCE_S)
    line = next(json.loads(line) for line in log.splitlines() if "process-test" in line)
    assert (line["status"], line["route"]) == (answered.status_code, "/v1/model")
    assert key not in log
    assert process.returncode in {0, -15}
