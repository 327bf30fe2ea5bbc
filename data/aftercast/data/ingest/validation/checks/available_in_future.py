"""A fact that becomes known later than it came: the clock of whoever sent it is wrong.

One such row would move the end of the data into the future: scores and answers would be made for it, with everything
else silent since.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aftercast.data.ingest.validation.draft import Draft, Finding
from aftercast.operations.clocks import AHEAD

REASON = "available_in_future"
ORDER = 25


def check(draft: Draft) -> Iterator[Finding]:
    """Yield rows of events available later than now, with some leave for clocks; plans may be about the future."""
    if draft.now is None or draft.table.event_time is None:
        return
    rows = np.asarray(draft.frame["available_at"] > draft.now + AHEAD)
    if rows.any():
        yield Finding(REASON, rows, "available_at", "lies in the future")
