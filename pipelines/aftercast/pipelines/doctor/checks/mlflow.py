"""The registry of models: answers, and can be read."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient


def check(patient: Patient) -> Iterator[Finding]:
    """Say whether it answers."""
    patient.reach_registry()
    yield Finding("ok", "The registry of models answers.")
