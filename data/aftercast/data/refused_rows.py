"""Refused records: which were solved by a later import, and how they go back to who sent them, in their own columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.contract import TABLES, Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.data.store import Selection, Store
from aftercast.data.store.hashing import hash_rows
from aftercast.data.store.layout import IMPORT
from aftercast.operations.clocks import timestamp_us, to_us
from aftercast.operations.database.imports import import_starts

WHOLE_ROW: Final = ""
BESIDE: Final[Mapping[str, str]] = {
    "_reason": "reason",
    "_what": "detail",
    "_file": "origin",
    "_row": "row_number",
    "_found_at": "available_at",
}
"""Columns beside a record in a file, and where each comes from."""


def solved(store: Store, refused: pd.DataFrame) -> Mask:
    """Which entries of the quarantine a later import put right: it stored a row of the same key, with the cell.

    An entry without its whole key cannot be told from others and is never solved.

    Parameters
    ----------
    refused
        What ``Store.quarantine`` returns, n rows.

    Returns
    -------
    numpy.ndarray
        Shape (n,).
    """
    found = np.zeros(len(refused), dtype=bool)
    starts = {name: timestamp_us(moment) for name, moment in import_starts(store.database).items()}
    for (name, column), rows in refused.assign(column=refused["column"].fillna(WHOLE_ROW)).groupby(["table", "column"]):
        positions = refused.index.get_indexer(rows.index)
        found[positions] = _solved_of(store, TABLES[str(name)], str(column), rows, starts)
    return found


def _solved_of(store: Store, table: Table, column: str, refused: pd.DataFrame, starts: Mapping[str, int]) -> Mask:
    keys = _keys(table, refused)
    whole = np.asarray(keys.notna().all(axis=1), dtype=bool)
    if not whole.any():
        return whole
    beside = [column] if column and column not in (*table.key, "available_at") else []
    by_device = "device_id" in table.key
    wanted = Selection(
        columns=[*table.key, "available_at", *beside, IMPORT],
        device_ids=keys["device_id"][whole].unique().tolist() if by_device else None,
        ordered=False,
    )
    stored = store.select(table.name, wanted)
    if beside:
        stored = stored[stored[column].notna()]
    began = np.array([starts.get(str(import_id), 0) for import_id in stored[IMPORT]], dtype=np.int64)
    last = pd.Series(began).groupby(hash_rows(stored, table.key).view(np.int64)).max()
    came = last.reindex(hash_rows(keys, table.key).view(np.int64), fill_value=0).to_numpy()
    return np.asarray(whole & (came > to_us(refused["available_at"])), dtype=bool)


def _keys(table: Table, refused: pd.DataFrame) -> pd.DataFrame:
    records = [json.loads(record) for record in refused["record"]]
    typed = {}
    for name in table.key:
        kind = table.column(name)
        cells = pd.Series([record.get(name) for record in records], dtype="object")
        typed[name] = parse_cells(cells, "text" if kind is None else kind.kind).values
    return pd.DataFrame(typed)


def in_own_columns(refused: pd.DataFrame, spec: FleetSpec) -> pd.DataFrame:
    """Refused records of one table as their file had them, with why beside: columns ``_reason`` and others like it.

    A column that begins with ``_`` is ignored by an import, so that the file can be corrected and imported as it is.

    Parameters
    ----------
    refused
        Entries of one table, at least one, with ``solved``.
    """
    table = TABLES[str(refused["table"].iloc[0])]
    theirs = spec.table(table.name).columns
    records = [json.loads(record) for record in refused["record"]]
    present = dict.fromkeys(name for record in records for name in record)
    listed = [column.name for column in table.columns if column.name in present]
    names = [*listed, *(name for name in present if name not in listed)]
    columns: dict[str, list[Any]] = {theirs.get(name, name): [record.get(name) for record in records] for name in names}
    about = {
        "_reason": "reason",
        "_what": "detail",
        "_file": "origin",
        "_row": "row_number",
        "_found_at": "available_at",
    }
    for name, source in about.items():
        columns[name] = refused[source].tolist()
    return pd.DataFrame(columns, dtype="object")
