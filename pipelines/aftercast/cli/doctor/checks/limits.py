"""Rate limits: understood, and what counts requests answers."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.cli.doctor.reach import NobodyThereError, require_listener
from aftercast.operations.database.keys import check_rate

REDIS_PORT = 6379


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say whether requests are counted; while they are not, the service lets all pass."""
    serving = deployment.settings.serving
    if serving.rate_limit != "":
        check_rate(serving.rate_limit)
    address = serving.rate_limit_address
    if address == "memory://":
        yield Finding("ok", "Each process of the service counts requests by itself.")
    elif not address.startswith(("redis://", "rediss://")):
        yield Finding(
            "problem", "serving.rate_limit_address is not understood.", "Write memory:// or redis://HOST:PORT."
        )
    else:
        yield _counter(address)


def _counter(address: str) -> Finding:
    try:
        require_listener(address, REDIS_PORT)
    except NobodyThereError as error:
        said = f"{error.message} Requests are not limited until it does."
        return Finding("problem", said, "Start it, or correct serving.rate_limit_address.")
    return Finding("ok", "The counter of requests takes connections.")
