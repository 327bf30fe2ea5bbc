"""The scored rows the service answers from: there, of this release, fitting the champion, not too old."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from aftercast.models.scoring import check_features
from aftercast.models.snapshot import snapshot_path
from aftercast.models.snapshot_file import load_snapshot
from aftercast.pipelines.doctor.findings import Finding, about
from aftercast.pipelines.doctor.patient import KINDS, Patient

OLD = pd.Timedelta(days=2)


def check(patient: Patient) -> Iterator[Finding]:
    """Say so for each kind that has a champion."""
    for kind in KINDS:
        loaded = patient.champion(kind)
        if loaded is None:
            continue
        rows = load_snapshot(snapshot_path(patient.folder, kind))
        check_features(loaded, rows)
        late = patient.store.observed_until()
        if late is not None and late - rows.cutoff > OLD:
            old = Finding(
                "warning",
                f"the last scoring is {(late - rows.cutoff).days} days older than the data.",
                "Run `aftercast score`.",
            )
            yield from about(kind, [old])
        else:
            yield from about(
                kind, [Finding("ok", f"{len(rows.ids):,} scored rows of {rows.cutoff:%Y-%m-%d %H:%M} UTC.")]
            )
