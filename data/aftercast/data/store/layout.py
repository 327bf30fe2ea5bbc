"""How the contract's tables lie in files: Arrow schemas, private columns, frames from and to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aftercast.data.arrays import Ints, Positions
from aftercast.data.contract import TABLES, Kind, Table
from aftercast.data.kinds import KINDS
from aftercast.data.store.hashing import hash_rows
from aftercast.data.store.quarantine import QUARANTINE
from aftercast.data.store.withdrawals import WITHDRAWALS
from aftercast.operations.errors import StoreError

ROW: Final = "_row"
"""Hash of key, available_at and content: equal for exact duplicates."""
IMPORT: Final = "_import"
BUCKET: Final = "_bucket"
PRIVATE: Final = (ROW, IMPORT, BUCKET)
BUCKETED: Final = "telemetry"
"""The one table split by device."""
OWN_TABLES: Final[Mapping[str, Table]] = {table.name: table for table in (QUARANTINE, WITHDRAWALS)}
"""Tables of the store that are none of the contract."""


def stored_table(name: str) -> Table:
    """Contract of a stored table, our own included; raises StoreError for any other name."""
    if name in OWN_TABLES:
        return OWN_TABLES[name]
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


def row_hashes(frame: pd.DataFrame) -> Ints:
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
    for name in map(str, frame.columns):
        if not table.has(name) and not name.startswith("_") and not bool(frame[name].isna().all()):
            arrays[name] = _array(frame[name], KINDS[kind_of(frame[name])].arrow)
    return pa.table(arrays)


def kind_of(values: pd.Series) -> Kind:
    """Kind in which a typed column that the contract does not list is stored."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return "bool"
    if pd.api.types.is_numeric_dtype(values.dtype):
        return "float"
    return "time" if isinstance(values.dtype, pd.DatetimeTZDtype) else "text"


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


def sort_order(data: pa.Table, table: Table) -> Positions | None:
    """Positions that sort rows by key, then ``available_at``, missing last, stable; None where they are sorted."""
    keys = [(name, "ascending") for name in (*table.key, "available_at")]
    positions: Positions = pc.sort_indices(data, sort_keys=keys).to_numpy().astype(np.intp)
    return None if bool((np.diff(positions) > 0).all()) else positions
