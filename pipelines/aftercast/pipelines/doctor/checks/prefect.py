"""The Prefect server: answers, where flows run on one."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient
from aftercast.pipelines.doctor.reach import get


def check(patient: Patient) -> Iterator[Finding]:
    """Ask for its health."""
    chosen = patient.settings.prefect
    if chosen.mode != "server":
        yield Finding("ok", "Flows run without a server.")
        return
    answered = get(f"{chosen.address.rstrip('/')}/health")
    if answered.is_success:
        yield Finding("ok", "The Prefect server answers.")
    else:
        yield Finding(
            "problem",
            f"The Prefect server answers {answered.status_code}.",
            "Write prefect.address as http://HOST:4200/api.",
        )
