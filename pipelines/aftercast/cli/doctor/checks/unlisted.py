"""What is stored and `fleet.toml` does not list: components that failed, and fault codes."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.data.ingest import find_unlisted, said


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say which names are not listed; of fault codes a fleet may list a few on purpose."""
    store, fleet = deployment.store, deployment.fleet
    found = find_unlisted(store, fleet)
    for table, counts in found.items():
        yield Finding("ok" if table == "faults" else "warning", *said(table, counts))
    if not found:
        yield Finding("ok", "Every component that failed and every fault code is listed.")
