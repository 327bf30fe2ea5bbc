"""The store: readable, and with data that are not too old nor from the future."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient

OLD = pd.Timedelta(days=2)
AHEAD = pd.Timedelta(minutes=5)


def check(patient: Patient) -> Iterator[Finding]:
    """Say how old the data are."""
    store = patient.store
    rows, until = store.tables(), store.observed_until()
    store.read("devices", columns=["device_id"])
    yield Finding("ok", f"The store is at version {store.version()} with {sum(rows.values()):,} rows.")
    if until is None:
        yield Finding(
            "problem", "The store has no events: there is nothing to learn from.", "Import failures or repairs."
        )
    elif until > patient.now + AHEAD:
        yield Finding(
            "problem",
            f"The data end in the future, at {until:%Y-%m-%d %H:%M} UTC.",
            "Correct the clocks or zones of the source, and import again.",
        )
    elif patient.now - until > OLD:
        yield Finding(
            "warning",
            f"The data end {(patient.now - until).days} days ago.",
            "Import newer data, or run `aftercast drain`.",
        )
