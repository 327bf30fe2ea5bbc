"""A cell holds none of the values the contract lists."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aftercast.data.ingest.validation.draft import Draft, Finding

REASON = "unknown_choice"
ORDER = 20


def check(draft: Draft) -> Iterator[Finding]:
    """Yield rows with a value outside the column's choices; a missing optional value is none."""
    for column in draft.table.columns:
        if column.choices is not None and column.name in draft.frame.columns:
            values = draft.frame[column.name]
            rows = np.asarray(values.notna() & ~values.isin(column.choices))
            if rows.any():
                yield Finding(REASON, rows, column.name, f"is none of {', '.join(column.choices)}")
