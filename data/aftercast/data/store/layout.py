"""How the contract's tables lie in files: Arrow schemas, private columns, frames from and to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from aftercast.data.contract import TABLES, Kind, Table
from aftercast.data.kinds import KINDS
from aftercast.data.store.hashing import hash_rows
from aftercast.data.store.quarantine import QUARANTINE
from aftercast.operations.errors import StoreError

ROW: Final = "_row"
"""Hash of key, available_at and content: equal for exact duplicates."""
IMPORT: Final = "_import"
BUCKET: Final = "_bucket"
PRIVATE: Final = (ROW, IMPORT, BUCKET)
BUCKETED: Final = "telemetry"
"""The one table split by device."""


def stored_table(name: str) -> Table:
    """Contract of a stored table, the quarantine included; raises StoreError for any other name."""
    if name == QUARANTINE.name:
        return QUARANTINE
    if name not in TABLES:
        raise StoreError(f"There is no table '{name}'.", f"Tables: {', '.join(TABLES)}.")
    return TABLES[name]


def base_schema(table: Table) -> pa.Schema:
    """Columns every file of a table has: the contract's and the private ones."""
    fields = [pa.field(column.name, KINDS[column.kind].arrow) for column in table.columns]
    fields += [pa.field(ROW, pa.int64()), pa.field(IMPORT, pa.string())]
    if table.name == BUCKETED:
        fields.append(pa.field(BUCKET, pa.int32()))
    return pa.schema(fields)


def empty_frame(table: Table) -> pd.DataFrame:
    """Frame without rows that has the contract's columns in their types."""
    return pd.DataFrame({c.name: pd.Series(dtype=KINDS[c.kind].pandas) for c in table.columns})


def open_kinds(schema: pa.Schema, table: Table) -> dict[str, Kind]:
    """Kinds of the stored columns that the contract does not list."""
    names = [name for name in schema.names if not table.has(name) and name not in PRIVATE]
    return {name: _kind_of(schema.field(name).type) for name in names}


def row_hashes(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Identity of every row (all public columns, available_at included), shape (n,)."""
    names = [str(name) for name in frame.columns if not str(name).startswith("_")]
    return hash_rows(frame, names).view(np.int64)


def to_arrow(table: Table, frame: pd.DataFrame) -> pa.Table:
    """Arrow table of a typed frame: contract columns (missing where the frame has none), then its open columns.

    Open columns whose values are all missing are left out: they have no type yet.
    """
    arrays: dict[str, pa.Array] = {}
    for column in table.columns:
        kind = KINDS[column.kind].arrow
        values = frame.get(column.name)
        arrays[column.name] = pa.nulls(len(frame), kind) if values is None else _array(values, kind)
    for name in _open_columns(table, frame):
        arrays[name] = _array(frame[name], _open_type(frame[name]))
    return pa.table(arrays)


def _open_columns(table: Table, frame: pd.DataFrame) -> list[str]:
    names = [str(name) for name in frame.columns if not table.has(str(name)) and not str(name).startswith("_")]
    return [name for name in names if not bool(frame[name].isna().all())]


def _open_type(values: pd.Series) -> pa.DataType:
    if pd.api.types.is_bool_dtype(values.dtype):
        return pa.bool_()
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pa.float64()
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return KINDS["time"].arrow
    return pa.string()


def _array(values: pd.Series, kind: pa.DataType) -> pa.Array:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        moments = pd.DatetimeIndex(values).as_unit("us")
        return pa.array(moments.asi8, mask=np.asarray(moments.isna())).cast(KINDS["time"].arrow)
    array = pa.array(values, from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array if array.type == kind else array.cast(kind)


def to_frame(table: Table, data: pa.Table) -> pd.DataFrame:
    """Frame of stored rows in the order given; private columns are kept where they were asked for."""
    columns = {name: _series(data.column(name), table, name) for name in data.column_names}
    return pd.DataFrame(columns, index=pd.RangeIndex(data.num_rows))


def _series(values: pa.ChunkedArray, table: Table, name: str) -> pd.Series:
    column = table.column(name)
    kind = column.kind if column is not None else _kind_of(values.type)
    if kind == "text":
        return pd.Series(values.cast(pa.large_string()).to_pandas(), dtype="str")
    if kind in {"int", "bool"} and values.null_count > 0:
        return pd.Series(values.to_pandas(integer_object_nulls=True), dtype=KINDS[kind].pandas)
    if kind == "date":
        return values.cast(pa.timestamp("us")).to_pandas().astype(KINDS[kind].pandas)
    return values.to_pandas().astype(KINDS[kind].pandas)


def _kind_of(stored: pa.DataType) -> Kind:
    if pa.types.is_dictionary(stored):
        return "text"
    for kind, types in KINDS.items():
        if stored == types.arrow:
            return kind
    return "int" if pa.types.is_integer(stored) else "text"


def sort_order(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.intp]] | None:
    """Positions that sort a frame by columns, missing last, stable; None where it is sorted already."""
    ranks = [_ranks(frame[name]) for name in names]
    if _is_sorted(ranks):
        return None
    return np.lexsort(ranks[::-1])


def _ranks(values: pd.Series) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return pd.DatetimeIndex(values).as_unit("us").asi8
    codes, _ = pd.factorize(values, sort=True, use_na_sentinel=True)
    return np.where(codes < 0, np.iinfo(np.int64).max, codes).astype(np.int64)


def _is_sorted(ranks: Sequence[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> bool:
    length = len(ranks[0])
    tied = np.ones(max(length - 1, 0), dtype=bool)
    for rank in ranks:
        if bool((tied & (rank[1:] < rank[:-1])).any()):
            return False
        tied &= rank[1:] == rank[:-1]
    return True
