"""The audit log: whole, and anchored in the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.operations.audit.places import identify
from aftercast.operations.audit.reading import newest_entries
from aftercast.operations.audit.verification import verify
from aftercast.operations.clocks import parse_time
from aftercast.operations.database.audit_anchors import newest_anchor

SOON = pd.Timedelta(minutes=1)
LONG_MB = 300
"""A longer log is not verified here: it would take more than a few seconds."""


def check(deployment: Deployment) -> Iterator[Finding]:
    """Verify it, where that takes no longer than a few seconds."""
    folder = deployment.folder / "audit"
    size_mb = sum(segment.stat().st_size for segment in folder.glob("*.jsonl")) / 1e6 if folder.is_dir() else 0
    if size_mb > LONG_MB:
        yield Finding(
            "warning", f"It has {size_mb:,.0f} MB and was not verified here.", "Run `aftercast audit verify`."
        )
        identity = identify(folder, deployment.database)
        chain, wrong = identity.chain, tuple(identity.findings())
    else:
        found = verify(folder, deployment.database)
        chain, wrong = found.chain, found.findings
        if found.whole:
            told = f"{found.entries:,} entries are whole." if found.entries else "Nothing was recorded yet."
            yield Finding("ok", told)
    for one in wrong[:1]:
        yield Finding(
            "problem", one.sentence, "Run `aftercast audit verify`, keep the files, and find out who wrote them."
        )
    if chain is not None:
        yield from _unanchored(deployment, folder, chain)


def _unanchored(deployment: Deployment, folder: Path, chain: str) -> Iterator[Finding]:
    """Entries of which only the log itself knows; a running service anchors those of each second."""
    newest = next(newest_entries(folder, 1), None)
    if newest is None or deployment.now - parse_time(newest["time"]) < SOON:
        return
    waiting = int(newest["seq"]) - newest_anchor(deployment.database, chain)
    if waiting > 0:
        said = f"{waiting:,} entries are not anchored in the database: who cuts them off is not found out."
        yield Finding("warning", said, "Start the service, which anchors them: `aftercast serve`.")
