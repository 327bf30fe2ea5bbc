"""Reading files for sources: CSV as text, Parquet as typed, both in chunks, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.data.arrays import Mask
from aftercast.data.ingest.sources.csv_files import csv_chunks
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

ROWS_AT_ONCE: Final = 400_000
SUFFIXES: Final = (".parquet", ".csv.gz", ".csv")


def stem_of(path: Path) -> str:
    """File name without the endings this module reads.

    >>> stem_of(Path("PdM_errors.csv.gz"))
    'PdM_errors'
    """
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def is_readable(path: Path) -> bool:
    """Whether a file has an ending this module reads."""
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
        If the file is missing, empty, damaged, not UTF-8, not comma-separated, lacks a required column, or has rows
        with more or fewer cells than its header.
    """
    if not path.is_file():
        raise InputError(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}.", "Name a file.")
    rows = 0
    if path.suffix.lower() == ".parquet":
        chunks = _parquet(path, columns, rows_at_once)
    else:
        chunks = csv_chunks(path, columns, rows_at_once, typed, text)
    try:
        for chunk in chunks:
            if rows == 0:
                require_columns(path, chunk, required)
            yield chunk.set_axis(pd.RangeIndex(rows, rows + len(chunk)), axis="index")
            rows += len(chunk)
    except PermissionError as error:
        raise InputError(f"{path} may not be read.", "Give this user the right to read it.") from error
    except (pa.ArrowException, OSError, EOFError) as error:
        raise InputError(
            f"{path} is damaged after {rows:,} rows, or not a {path.suffix[1:]} file.", "Fetch or export it again."
        ) from error
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


def _parquet(path: Path, columns: Sequence[str] | None, rows_at_once: int) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(path) as file:
        chosen = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        for batch in file.iter_batches(rows_at_once, columns=chosen):
            if batch.num_rows > 0:
                yield pa.Table.from_batches([batch]).to_pandas(ignore_metadata=True)
