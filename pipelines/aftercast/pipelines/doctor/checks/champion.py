"""The champions: there is one, it can be loaded, and it has not learnt too long ago."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from aftercast.data.clocks import parse_time
from aftercast.data.records.scores import Kind
from aftercast.models.registry import champion_version, load_champion
from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import KINDS, Patient

OLD = pd.Timedelta(days=90)


def check(patient: Patient) -> Iterator[Finding]:
    """Say so for each kind of model."""
    for kind in KINDS:
        yield from _of(patient, kind)


def _of(patient: Patient, kind: Kind) -> Iterator[Finding]:
    place, train = patient.registry, f"Run `aftercast train {kind}`."
    if champion_version(place, kind) is None:
        yield Finding("problem" if kind == "failure" else "warning", f"No {kind} model is champion.", train)
        return
    loaded = load_champion(place, kind)
    age = patient.now - parse_time(loaded.metadata.until)
    if age > OLD:
        yield Finding(
            "warning", f"Version {loaded.version} for {kind} learnt from data up to {age.days} days ago.", train
        )
    else:
        yield Finding("ok", f"Version {loaded.version} for {kind} can be loaded.")
