"""The registry of models: somebody answers there."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.data.fleet import FleetSpec
from aftercast.data.workspace import Workspace
from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient
from aftercast.pipelines.doctor.reach import require_tracking


def check(patient: Patient) -> Iterator[Finding]:
    """Say whether it answers."""
    require_tracking(Workspace(patient.folder, patient.settings, FleetSpec(name="unread")))
    yield Finding("ok", "The registry of models answers.")
