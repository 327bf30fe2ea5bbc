"""The keys: somebody may ask, none is about to expire unnoticed, none may everything for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from aftercast.data.records.keys import list_keys
from aftercast.pipelines.doctor.findings import Finding
from aftercast.pipelines.doctor.patient import Patient

SOON = pd.Timedelta(days=14)


def check(patient: Patient) -> Iterator[Finding]:
    """Look at the keys that work."""
    working = [key for key in list_keys(patient.database) if key.works_at(patient.now)]
    if not working:
        yield Finding(
            "warning", "No key works: nobody can ask the service.", "Run `aftercast keys create --name NAME`."
        )
        return
    yield Finding("ok", f"{len(working)} keys work.")
    for key in working:
        if key.expires_at is not None and key.replaced_by is None and key.expires_at - patient.now < SOON:
            when = f"{key.expires_at:%Y-%m-%d}"
            yield Finding(
                "warning",
                f"Key {key.key_id} ({key.name}) expires on {when}.",
                f"Run `aftercast keys rotate {key.key_id}`.",
            )
        if key.expires_at is None and key.allows("admin"):
            yield Finding(
                "warning",
                f"Key {key.key_id} ({key.name}) may everything and never expires.",
                "Give out keys with fewer scopes, or with an expiry.",
            )
