"""A fact that was available before it happened: one of its clocks is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aftercast.data.ingest.validation.draft import Draft, Finding

REASON = "event_after_availability"
ORDER = 30


def check(draft: Draft) -> Iterator[Finding]:
    """Yield rows whose event time, or closing time, lies after available_at."""
    event_time = draft.table.event_time
    for name in (*([] if event_time is None else [event_time]), *draft.table.until):
        if name in draft.frame.columns:
            rows = np.asarray(draft.frame[name] > draft.frame["available_at"])
            if rows.any():
                yield Finding(REASON, rows, name, "lies after available_at")
