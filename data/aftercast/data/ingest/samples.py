"""A few rows of each table as an import reads them, for people to look at."""

from __future__ import annotations

from typing import Final

import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.files import Place
from aftercast.data.ingest.sources.tables import read
from aftercast.data.ingest.validation.parsing import parse_cells

ROWS: Final = 3


def first_rows_of_tables(place: Place, spec: FleetSpec) -> dict[str, pd.DataFrame]:
    """First rows of each table, times as instants; columns of the contract first."""
    found: dict[str, pd.DataFrame] = {}
    for batch in read(place, spec):
        if batch.table not in found:
            found[batch.table] = _typed(batch.table, batch.frame.head(ROWS))
    return {name: found[name] for name in TABLES if name in found}


def _typed(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    table = TABLES[name]
    known = [column.name for column in table.columns if column.name in frame.columns]
    typed = {
        column.name: parse_cells(frame[column.name], column.kind).values
        for column in table.columns
        if column.name in known
    }
    return pd.DataFrame(typed | {str(other): frame[other] for other in frame.columns if other not in known})
