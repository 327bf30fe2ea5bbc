"""Rate limits: understood."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.operations.database.keys import check_rate


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say what counts requests; raises SettingsError for a limit that is not understood."""
    serving = deployment.settings.serving
    if serving.rate_limit != "":
        check_rate(serving.rate_limit)
    yield Finding("ok", "Each process of the service counts requests by itself.")
