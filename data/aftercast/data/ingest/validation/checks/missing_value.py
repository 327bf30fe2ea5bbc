"""A required cell is missing, or a telemetry row has no value at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aftercast.data.ingest.validation.draft import Draft, Finding

REASON = "missing_value"
ORDER = 10


def check(draft: Draft) -> Iterator[Finding]:
    """Yield rows that lack a required value."""
    for name in (*draft.table.required, "available_at"):
        rows = np.asarray(draft.frame[name].isna())
        if rows.any():
            yield Finding(REASON, rows, name, "is missing")
    if draft.sensors:
        rows = np.asarray(draft.frame[list(draft.sensors)].isna().all(axis=1)) & ~draft.cleared
        if rows.any():
            yield Finding(REASON, rows, "", "no sensor has a value")
