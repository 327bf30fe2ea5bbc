"""Retention: nothing is kept longer than the settings say."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.data.store import find_expired
from aftercast.operations.database.retention import remove_old

MEND = "Run `aftercast vacuum`; with --dry-run it only says what it would remove."


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say what a vacuum would remove."""
    now = deployment.now.as_unit("us")
    late = remove_old(deployment.database, deployment.settings.retention, now, dry_run=True)
    late |= find_expired(deployment.store, deployment.fleet.kept(), now)
    if not late:
        yield Finding("ok", "Nothing is kept longer than the settings say.")
        return
    named = ", ".join(f"{count:,} of {name}" for name, count in late.items())
    yield Finding("warning", f"Some is kept longer than the settings say: {named}.", MEND)
