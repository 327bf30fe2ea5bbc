"""The kinds of values a column of the contract may hold, and their types in files and frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import pyarrow as pa

from aftercast.data.contract import Kind
from aftercast.operations.clocks import TIME_DTYPE


class Types(NamedTuple):
    """One kind for people, in Arrow and in pandas."""

    words: str
    arrow: pa.DataType
    pandas: str


KINDS: Final[Mapping[Kind, Types]] = {
    "text": Types("text", pa.string(), "str"),
    "time": Types("instant with its zone", pa.timestamp("us", tz="UTC"), TIME_DTYPE),
    "date": Types("date", pa.date32(), "datetime64[us]"),
    "float": Types("number", pa.float64(), "float64"),
    "int": Types("whole number", pa.int64(), "Int64"),
    "bool": Types("true or false", pa.bool_(), "boolean"),
}
