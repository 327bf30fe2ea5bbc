"""An id that some part of the system cannot keep: with control characters, or longer than any question may name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from aftercast.data.ingest.validation.draft import Draft, Finding

REASON = "unusable_id"
ORDER = 11
LONGEST = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check(draft: Draft) -> Iterator[Finding]:
    """Yield rows with such an id; PostgreSQL takes no NUL as text, and no long text into an index."""
    for column in draft.table.columns:
        if column.name.endswith("_id") and column.name in draft.frame.columns:
            codes, ids = pd.factorize(draft.frame[column.name])
            wrong = [len(each) > LONGEST or CONTROL.search(each) is not None for each in map(str, ids)]
            rows = np.array([*wrong, False], dtype=bool)[codes]
            if rows.any():
                about = f"has control characters, or more than {LONGEST} characters"
                yield Finding(REASON, rows, column.name, about)
