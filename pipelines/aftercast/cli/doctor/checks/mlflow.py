"""The registry of models: answers, and can be read."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say whether it answers."""
    deployment.reach_registry()
    yield Finding("ok", "The registry of models answers.")
