"""`aftercast.toml` and the environment: understood, and safe to run with."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding

LOCAL = ("127.0.0.1", "localhost", "::1")


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say whether the settings can be read, and what in them deserves a second look."""
    serving = deployment.settings.serving
    yield Finding("ok", "aftercast.toml is understood.")
    if serving.host not in LOCAL:
        yield Finding(
            "warning",
            f"serving.host is {serving.host}: keys travel in clear unless a proxy adds TLS.",
            "Put a proxy with TLS before it, or listen on 127.0.0.1.",
        )
    if serving.rate_limit == "":
        yield Finding(
            "warning", "serving.rate_limit is empty: one caller may take all there is.", "Set one, as 6000/minute."
        )
