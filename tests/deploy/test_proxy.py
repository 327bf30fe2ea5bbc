"""The proxy's own file in a real Caddy before a real service: encrypted, figures kept inside, ids passed on."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.deploy.container import ROOT
from tests.deploy.named import DEFAULTS, SERVICES

from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.operations.database.keys import create_key

pytestmark = pytest.mark.service

PATIENCE_S = 60.0
Listening = Callable[[Workspace], AbstractContextManager[str]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(caddy: str, upstream: str, port: int) -> dict[str, Any]:
    """The Caddyfile as Caddy reads it, on a port of this machine; without the one that only redirects to it."""
    variables = {**os.environ, "AFTERCAST_SITE": "localhost", "AFTERCAST_UPSTREAM": upstream}
    assert set(SERVICES["proxy"]["environment"]) == {"AFTERCAST_SITE", "AFTERCAST_UPSTREAM"}
    words = [caddy, "adapt", "--adapter", "caddyfile", "--config", str(ROOT / "deploy" / "caddy" / "Caddyfile")]
    adapted = subprocess.run(words, env=variables, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(adapted.stdout)
    (server,) = found["apps"]["http"]["servers"].values()
    server["listen"] = [f"127.0.0.1:{port}"]
    server["automatic_https"] = {"disable_redirects": True}
    found["apps"]["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    return found


@pytest.fixture
def proxied(bare: Workspace, listening: Listening, tmp_path: Path) -> Iterator[httpx.Client]:
    """Client of the proxy that believes its certificate and brings a key."""
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("caddy is not on this machine")
    _, key = create_key(bare.database, "proxy", ("admin",))
    port = free_port()
    with listening(bare) as url:
        config = tmp_path / "caddy.json"
        config.write_text(json.dumps(configuration(caddy, url.removeprefix("http://"), port)))
        folders = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
        log = tmp_path / "caddy.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [caddy, "run", "--config", str(config)], env={**os.environ, **folders}, stdout=out, stderr=out
            )
        try:
            root = tmp_path / "caddy" / "pki" / "authorities" / "local" / "root.crt"
            believed = wait_for_certificate(root, port, process, log)
            with httpx.Client(
                base_url=f"https://localhost:{port}", verify=believed, headers={"X-API-Key": key}, timeout=PATIENCE_S
            ) as client:
                yield client
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def wait_for_certificate(root: Path, port: int, process: subprocess.Popen[bytes], log: Path) -> ssl.SSLContext:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            believed = ssl.create_default_context(cafile=str(root))
            with httpx.Client(verify=believed) as client:
                client.get(f"https://localhost:{port}/health")
        except (OSError, httpx.TransportError):
            time.sleep(0.1)
        else:
            return believed
    raise AssertionError(log.read_text())


@pytest.fixture
def bare(tmp_path: Path) -> Workspace:
    """Make a workspace with neither data nor models."""
    return create_workspace(tmp_path / "workspace", FleetSpec(name="bare", components=(Component(name="pump"),)))


def test_callers_reach_the_service_encrypted_and_the_figures_stay_inside(proxied: httpx.Client) -> None:
    answered = proxied.get("/v1/model", headers={"X-Request-ID": "through-the-proxy"})
    assert answered.status_code == 200, answered.text
    assert answered.headers["X-Request-ID"] == "through-the-proxy"
    assert "max-age" in answered.headers["Strict-Transport-Security"]
    assert proxied.get("/metrics").status_code == 404
    assert proxied.get("/v1/model", headers={"X-API-Key": "ac_00000000_wrong"}).json()["status"] == 401


def test_a_body_the_service_would_refuse_is_refused(proxied: httpx.Client) -> None:
    longer = b" " * (DEFAULTS.serving.max_body_bytes + 1)
    refused = proxied.post("/v1/failure-risk", content=longer, headers={"Content-Type": "application/json"})
    assert refused.status_code == 413
