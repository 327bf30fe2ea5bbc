"""Reading the files of publishers: their columns are required, and their clock is UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.arrays import Mask
from aftercast.data.ingest.files import ROWS_AT_ONCE
from aftercast.data.ingest.files import read_chunks as chunks_of
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

SUFFIXES: Final = (".parquet", ".csv.gz", ".csv")
"""How publishers name their files."""


def is_readable(path: Path) -> bool:
    """Whether a file has an ending that publishers use."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES) and not path.name.startswith((".", "_"))


def read_chunks(
    path: Path,
    *,
    required: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    typed: bool = False,
    text: Sequence[str] = (),
    rows_at_once: int = ROWS_AT_ONCE,
) -> Iterator[pd.DataFrame]:
    """Rows of a file in chunks that are never empty; the index, from 0, continues through them.

    Parameters
    ----------
    required
        Columns the file must have.
    columns
        Only these columns of it, where it has them.
    typed
        Columns whose cells in a chunk are all numbers become numbers. Otherwise every cell of a CSV stays text, so that
        each can be judged by itself.
    text
        Columns that stay text even so: identifiers, whose leading zeros count.

    Raises
    ------
    InputError
        If the file is missing, empty or damaged, lacks a required column, or has rows with more or fewer cells than
        its header.
    """
    rows = 0
    for chunk in chunks_of(path, columns=columns, typed=typed, text=text, rows_at_once=rows_at_once):
        if rows == 0:
            require_columns(path, chunk, required)
        yield chunk
        rows += len(chunk)
    if rows == 0:
        raise InputError(f"{path} is empty: 0 rows.", "Leave the file out, or export it again.")


def read_file(path: Path, *, required: Sequence[str] = ()) -> pd.DataFrame:
    """Return all rows of a file, typed; for files known to be small. Errors as :func:`read_chunks`."""
    return pd.concat(list(read_chunks(path, required=required, typed=True)), ignore_index=True)


def require_columns(path: Path, frame: pd.DataFrame, required: Iterable[str]) -> None:
    """Raise InputError for the first required column that is missing, naming the nearest one present."""
    present = [str(column) for column in frame.columns]
    for name in required:
        if name not in present:
            hint = suggestion(name, present, "Columns present")
            raise InputError(f"{path} has no column '{name}' ({len(frame):,} rows read).", hint)


def utc(times: pd.Series, path: Path) -> pd.Series:
    """Times of a publisher whose clock is UTC.

    Raises
    ------
    InputError
        If a time cannot be read; names the column, the number of rows and an example.
    """
    if pd.api.types.is_numeric_dtype(times.dtype):
        raise _unreadable(times, np.ones(len(times), dtype=bool), path, "Write times as 2015-01-31 06:00:00.")
    parsed = pd.to_datetime(times, utc=True, errors="coerce", format="ISO8601")
    broken = np.asarray(parsed.isna())
    if broken.any():
        raise _unreadable(times, broken, path, "Write times as 2015-01-31 06:00:00.")
    return parsed.astype(TIME_DTYPE)


def whole_numbers(values: pd.Series, path: Path) -> pd.Series:
    """Values that count or number something, as int64, shape (n,).

    Raises
    ------
    InputError
        If one is missing or no whole number; names the column, the number of rows and an example.
    """
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    broken = np.asarray(~(np.isfinite(numbers) & (numbers % 1 == 0)))
    if broken.any():
        raise _unreadable(values, broken, path, "The publisher's files have a whole number there.")
    return numbers.astype("int64")


def _unreadable(values: pd.Series, broken: Mask, path: Path, hint: str) -> InputError:
    count, example = int(broken.sum()), values[broken].iloc[0]
    return InputError(
        f"{path}: {count:,} of {len(values):,} rows have no readable '{values.name}', first '{example}'.", hint
    )
