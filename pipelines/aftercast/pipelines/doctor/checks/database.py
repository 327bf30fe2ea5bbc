"""The operational database: answers, and its tables are those of this release."""

from __future__ import annotations

from collections.abc import Iterator

from aftercast.data.records.database import schema_state
from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient


def check(patient: Patient) -> Iterator[Finding]:
    """Say whether it can be used."""
    engine = patient.connect()
    try:
        state = schema_state(engine)
    finally:
        engine.dispose()
    if state.up_to_date:
        yield Finding("ok", f"The database answers and is at revision {state.newest}.")
    else:
        lacks = f"The database lacks {len(state.missing)} migrations of this release, the first is {state.missing[0]}."
        yield Finding("problem", lacks, "Run `aftercast database upgrade`, after a backup.")
