"""What a batch loses to the quarantine: the records, in words, in the quarantine's own columns."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from aftercast.data.contract import Table
from aftercast.data.ingest.validation.checks import Breach

VALUE_LENGTH = 60


def quarantine_rows(
    table: Table, raw: pd.DataFrame, breach: Breach, origins: pd.Series, numbers: pd.Series
) -> pd.DataFrame:
    """Rows for the quarantine of one breach: table, reason, column, detail, origin, row_number, record.

    The record is the row as it came; for a breach of a cell, the row's key and that cell.
    """
    positions = np.flatnonzero(breach.rows)
    rows = raw.iloc[positions]
    if breach.cell_only:
        wanted = [*table.key, "available_at", breach.column]
        rows = rows[[name for name in dict.fromkeys(wanted) if name in rows.columns]]
    values = [""] * len(rows)
    if breach.column in raw.columns:
        cells = raw[breach.column].iloc[positions]
        values = [
            "" if gone else f"'{str(cell)[:VALUE_LENGTH]}' " for cell, gone in zip(cells, cells.isna(), strict=True)
        ]
    return pd.DataFrame(
        {
            "table": pd.Series([table.name] * len(rows), dtype="str"),
            "reason": breach.reason,
            "column": pd.Series([breach.column or None] * len(rows), dtype="str"),
            "detail": pd.Series([f"{breach.column} {value}{breach.about}".strip() for value in values], dtype="str"),
            "origin": pd.Series(origins.iloc[positions].astype("str").to_numpy(), dtype="str"),
            "row_number": numbers.iloc[positions].to_numpy(),
            "record": pd.Series(_records(rows, breach.column), dtype="str"),
        }
    )


def _records(rows: pd.DataFrame, column: str) -> list[str]:
    """JSON text of every row; the column at fault as text, so that infinities survive."""
    if column in rows.columns:
        cells = rows[column]
        rows = rows.assign(**{column: cells.astype("object").where(cells.isna(), cells.map(str))})
    lines = rows.to_json(orient="records", lines=True, date_format="iso", date_unit="us", force_ascii=False)
    split = str(lines).rstrip("\n").split("\n")  # not splitlines: texts may hold other characters that end a line
    return [json.dumps(json.loads(line), ensure_ascii=False, sort_keys=True) for line in split if line]
