"""The inbox: somebody drains it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from aftercast.data.records.inbox import count_waiting
from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient

LONG = pd.Timedelta(hours=1)


def check(patient: Patient) -> Iterator[Finding]:
    """Say how long records wait."""
    waiting = count_waiting(patient.database)
    if waiting.since is not None and patient.now - waiting.since > LONG:
        hours = (patient.now - waiting.since) / pd.Timedelta(hours=1)
        said = f"{waiting.rows:,} records wait to be stored, the first since {hours:,.0f} hours."
        yield Finding("problem", said, "Run `aftercast drain`, or keep `aftercast drain --follow` running.")
    else:
        yield Finding("ok", f"{waiting.rows:,} records wait to be stored.")
