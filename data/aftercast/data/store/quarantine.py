"""The quarantine: records that break the contract, each with its reason, beside the history they did not enter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from aftercast.data.contract import AVAILABLE_AT, Column, Table

QUARANTINE: Final = Table(
    "_quarantine",
    "a record, or one cell of it, that broke the contract; available_at is when the import found it",
    key=("table", "reason", "column", "record"),
    columns=(
        Column("table", "text", required=True),
        Column("reason", "text", required=True),
        Column("column", "text"),
        Column("detail", "text", required=True),
        Column("origin", "text", required=True),
        Column("row_number", "int", required=True),
        Column("record", "text", required=True),
        Column("import_id", "text", required=True),
        AVAILABLE_AT,
    ),
    event_time=None,
)
"""Table of the store that only an import writes."""


@dataclass(frozen=True)
class QuarantineCount:
    """How many records of a table are in quarantine for one reason, and the newest of them in words.

    Attributes
    ----------
    solved
        How many of them a later import put right.
    """

    table: str
    reason: str
    count: int
    example: str
    solved: int = 0

    @property
    def sentence(self) -> str:
        """What was set aside, one line."""
        if self.solved == self.count:
            note = ", all solved by a later import"
        else:
            note = f", {self.solved:,} of them solved by a later import" if self.solved else ""
        return f"{self.count:,} of {self.table}: {self.reason}{note}. {self.example}"


def summarise_quarantine(frame: pd.DataFrame) -> list[QuarantineCount]:
    """Count by table and reason, most frequent first, with an example each.

    Parameters
    ----------
    frame
        What ``Store.quarantine`` returns, with or without ``solved``.
    """
    frame = frame if "solved" in frame.columns else frame.assign(solved=False)
    counts = [
        QuarantineCount(str(table), str(reason), len(rows), _newest(rows), int(rows["solved"].sum()))
        for (table, reason), rows in frame.groupby(["table", "reason"], sort=True)
    ]
    return sorted(counts, key=lambda count: -count.count)


def _newest(rows: pd.DataFrame) -> str:
    """Newest entry in words, one that is not solved where there is any."""
    open_ones = rows[~rows["solved"].astype(bool)]
    return in_words((rows if len(open_ones) == 0 else open_ones).iloc[-1])


def in_words(row: pd.Series) -> str:
    """Where a record of the quarantine came from, and what is wrong with it."""
    return f"{row['origin']} row {row['row_number']}: {row['detail']}"
