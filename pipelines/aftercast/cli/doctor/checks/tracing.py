"""The collector of traces: takes connections, where one is configured."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.cli.doctor.reach import NobodyThereError, require_listener

OTLP_PORT = 4318
"""Usual port of OTLP over HTTP."""


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say whether somebody listens; answers do not wait for a collector, so that its absence is a warning."""
    address = deployment.settings.tracing.address
    if address == "":
        yield Finding("ok", "No traces are sent.")
        return
    try:
        require_listener(address, OTLP_PORT)
    except NobodyThereError as error:
        yield Finding("warning", f"{error.message} Traces are lost.", "Start it, or correct tracing.address.")
    else:
        yield Finding("ok", "The collector of traces takes connections.")
