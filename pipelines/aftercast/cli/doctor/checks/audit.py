"""The audit log: whole, and anchored in the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.operations.audit import check_chain, newest_entries, verify
from aftercast.operations.clocks import parse_time
from aftercast.operations.database.audit_anchors import newest_anchor

SOON = pd.Timedelta(minutes=1)
LONG_MB = 300
"""A longer log is not verified here: it would take more than a few seconds."""


def check(deployment: Deployment) -> Iterator[Finding]:
    """Verify the log, if that takes no more than a few seconds, and see whether it is anchored."""
    folder = deployment.folder / "audit"
    size_mb = sum(segment.stat().st_size for segment in folder.glob("*.jsonl")) / 1e6
    if size_mb > LONG_MB:
        said = f"It has {size_mb:,.0f} MB and was not verified here."
        yield Finding("warning", said, "Run `aftercast audit verify`.")
        chain, wrong = check_chain(folder, deployment.database)
    else:
        found = verify(folder, deployment.database)
        chain, wrong = found.chain, list(found.findings)
        if found.whole:
            yield Finding("ok", f"{found.entries:,} entries are whole." if found.entries else "It has no entries yet.")
    for one in wrong[:1]:
        hint = "Run `aftercast audit verify`, keep the files, and find out who wrote them."
        yield Finding("problem", one.sentence, hint)
    if chain is not None:
        yield from _unanchored(deployment, folder, chain)


def _unanchored(deployment: Deployment, folder: Path, chain: str) -> Iterator[Finding]:
    """Entries without an anchor; a running service anchors those of each second."""
    newest = next(newest_entries(folder, 1), None)
    if newest is None or deployment.now - parse_time(newest["time"]) < SOON:
        return
    waiting = int(newest["seq"]) - newest_anchor(deployment.database, chain)
    if waiting > 0:
        said = f"{waiting:,} entries are not anchored in the database: cutting them off would go unnoticed."
        yield Finding("warning", said, "Start the service, which anchors them: `aftercast serve`.")
