"""Reading files for sources: CSV as text, Parquet as typed, both in chunks, with errors that name the file."""

from __future__ import annotations

import difflib
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.data.clocks import TIME_DTYPE
from aftercast.data.errors import InputError

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
    path: Path, *, required: Sequence[str] = (), columns: Sequence[str] | None = None, typed: bool = False
) -> Iterator[pd.DataFrame]:
    """Rows of a file in chunks; an index continues through the chunks.

    Parameters
    ----------
    required
        Columns the file must have.
    columns
        Only these columns of it, where it has them.
    typed
        Let pandas find the types of a CSV; otherwise every cell stays text, so that each can be judged by itself.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, not UTF-8, or lacks a required column.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist.", "Check the path.")
    try:
        chunks = _parquet(path, columns) if path.suffix == ".parquet" else _csv(path, columns, typed)
        rows = 0
        for chunk in chunks:
            if rows == 0:
                require_columns(path, chunk, required)
            yield chunk.set_axis(pd.RangeIndex(rows, rows + len(chunk)), axis="index")
            rows += len(chunk)
    except (pa.ArrowException, OSError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged or not a {path.suffix[1:]} file.", "Fetch or export it again.") from error
    except (pd.errors.ParserError, UnicodeDecodeError, UnicodeError) as error:
        raise InputError(f"{path} is not a comma-separated UTF-8 file.", "Export it again as CSV in UTF-8.") from error
    except pd.errors.EmptyDataError:
        rows = 0
    if rows == 0:
        raise InputError(f"{path} is empty: 0 rows.", "Leave the file out, or export it again.")


def read_file(path: Path, *, required: Sequence[str] = (), columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return all rows of a file, typed; for files known to be small. Errors as :func:`read_chunks`."""
    return pd.concat(list(read_chunks(path, required=required, columns=columns, typed=True)), ignore_index=True)


def require_columns(path: Path, frame: pd.DataFrame, required: Iterable[str]) -> None:
    """Raise InputError for the first required column that is missing, naming the nearest one present."""
    present = [str(column) for column in frame.columns]
    for name in required:
        if name not in present:
            near = difflib.get_close_matches(name, present, n=1, cutoff=0.5)
            hint = f"Is it the column '{near[0]}'?" if near else f"Columns present: {', '.join(present[:12])}."
            raise InputError(f"{path} has no column '{name}' ({len(frame)} rows read).", hint)


def utc(times: pd.Series, path: Path) -> pd.Series:
    """Times of a publisher whose clock is UTC.

    Raises
    ------
    InputError
        If a time cannot be read; names the column, the number of rows and an example.
    """
    parsed = pd.to_datetime(times, utc=True, errors="coerce", format="ISO8601")
    broken = parsed.isna()
    if bool(broken.any()):
        example = times[broken].iloc[0]
        raise InputError(
            f"{path}: {int(broken.sum())} of {len(times)} rows have no readable '{times.name}', first '{example}'.",
            "Write times as 2015-01-31 06:00:00.",
        )
    return parsed.astype(TIME_DTYPE)


def _parquet(path: Path, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        chosen = None if columns is None else [name for name in columns if name in names]
        if file.metadata.num_rows == 0:
            return
        for batch in file.iter_batches(ROWS_AT_ONCE, columns=chosen):
            yield pa.Table.from_batches([batch]).to_pandas()


def _csv(path: Path, columns: Sequence[str] | None, typed: bool) -> Iterator[pd.DataFrame]:
    wanted = None if columns is None else set(columns)
    with pd.read_csv(
        path,
        dtype=None if typed else "str",
        keep_default_na=typed,
        usecols=None if wanted is None else lambda name: name in wanted,
        chunksize=ROWS_AT_ONCE,
        encoding="utf-8-sig",
        low_memory=False,
    ) as reader:
        yield from reader
