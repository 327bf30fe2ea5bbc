"""The scored rows the service answers from: there, of this release, fitting the champion, not too old."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pandas as pd

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding, about, guarded
from aftercast.models.kinds import every_kind
from aftercast.models.scoring.fleet import check_features
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot

OLD = pd.Timedelta(days=2)


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say so for each kind that has a champion."""
    deployment.reach_registry()
    for kind in (each.name for each in every_kind() if each.shape == "hazard"):
        yield from about(kind, guarded("rows", partial(_of, deployment, kind)))


def _of(deployment: Deployment, kind: str) -> Iterator[Finding]:
    loaded = deployment.champion(kind)
    if loaded is None:
        return
    rows = load_snapshot(snapshot_path(deployment.folder, kind))
    check_features(loaded, rows)
    until = deployment.store.observed_until()
    if until is not None and until - rows.cutoff > OLD:
        late = f"The last scoring is {(until - rows.cutoff).days} days older than the data."
        yield Finding("warning", late, "Run `aftercast score`.")
    else:
        yield Finding("ok", f"{len(rows.ids):,} scored rows of {rows.cutoff:%Y-%m-%d %H:%M} UTC.")
    if loaded.run_id not in rows.judged:
        yield Finding(
            "warning",
            f"Version {loaded.version} has not judged them yet; each service has to.",
            "Run `aftercast score --again`.",
        )
