"""Start the service on a free port, ask it about the riskiest devices once, print the answer, stop it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

PATIENCE_S = 60.0


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*arguments: str) -> Any:
    """JSON that one aftercast command prints."""
    return json.loads(subprocess.run(["aftercast", *arguments], check=True, capture_output=True, text=True).stdout)


def call(url: str, key: str | None = None, body: Any = None) -> Any:
    """JSON answer of one request; a body makes it a POST."""
    request = urllib.request.Request(url, data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if key is not None:
        request.add_header("X-API-Key", key)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def wait_until_ready(base: str, service: subprocess.Popen[bytes]) -> None:
    """Return once the service says it is ready; stop the demo when it ends or takes too long."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            call(f"{base}/ready")
        except (URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    sys.exit("The service did not become ready.")


def main(workspace: Path) -> None:
    """Ask about the first device of the risk list."""
    place = ("--workspace", str(workspace))
    key = run("keys", "create", "--name", "demo", "--json", *place)["key"]
    listed = run("risk-list", "--horizon", "7d", "--top", "1", "--format", "json", *place)
    body = {"devices": [{"device_id": listed["rows"][0]["device_id"]}], "horizon": "7d"}
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    service = subprocess.Popen(["aftercast", "serve", "--port", str(port), *place], stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(base, service)
        sys.stdout.write(f"POST {base}/v1/failure-risk  {json.dumps(body)}\n")
        answer = call(f"{base}/v1/failure-risk", key, body)
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    finally:
        service.terminate()
        service.wait(timeout=30)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
