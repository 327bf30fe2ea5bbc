"""The Prefect server: answers, where flows run on one."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.cli.doctor.reach import get


def check(deployment: Deployment) -> Iterator[Finding]:
    """Ask for its health."""
    chosen = deployment.settings.prefect
    if chosen.mode != "server":
        yield Finding("ok", "Flows run without a server.")
        return
    answered = get(f"{chosen.address.rstrip('/')}/health")
    if answered.is_success:
        yield Finding("ok", "The Prefect server answers.")
    else:
        yield Finding(
            "problem",
            f"The Prefect server answers {answered.status_code}.",
            "Write prefect.address as http://HOST:4200/api.",
        )
