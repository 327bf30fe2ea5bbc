"""Reading Parquet in chunks, typed; whole numbers keep every digit, missing ones among them or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pat

WHOLE: Final[dict[Any, Any]] = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


def parquet_chunks(path: Path, columns: Sequence[str] | None, rows_at_once: int) -> Iterator[pd.DataFrame]:
    """Chunks of a Parquet file; lists and structures become text."""
    with pq.ParquetFile(path) as file:
        chosen = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        for batch in file.iter_batches(rows_at_once, columns=chosen):
            if batch.num_rows > 0:
                yield as_frame(pa.Table.from_batches([batch]))


def parquet_names(path: Path) -> list[str]:
    """Names of the columns."""
    with pq.ParquetFile(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Frame of an Arrow table, without a whole number ever being a float."""
    for position, field in enumerate(table.schema):
        if pat.is_nested(field.type):
            texts = [None if value is None else str(value) for value in table.column(position).to_pylist()]
            table = table.set_column(position, field.name, pa.array(texts, pa.string()))
    gaps = {field.name for field, column in zip(table.schema, table.columns, strict=True) if column.null_count > 0}
    exact = [name for name in gaps if pat.is_integer(table.schema.field(name).type)]
    frame = table.drop_columns(exact).to_pandas(ignore_metadata=True)
    for name in exact:
        frame[name] = table.column(name).to_pandas(types_mapper=WHOLE.get)
    return frame[table.column_names] if exact else frame
