"""Reading text tables in chunks: any separator and encoding, plain or gzipped, each row as wide as the header."""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from aftercast.operations.errors import InputError

BLOCK_BYTES: Final = 8 << 20
"""What is parsed at once; no row may be longer."""
HEADER_BYTES: Final = 1 << 16
HINT_UNEVEN: Final = "Export it again as CSV; text that holds the separator belongs in quotation marks."


@dataclass(frozen=True)
class Dialect:
    """How a text table is written; ``header_row`` counts lines from 1."""

    encoding: str = "utf-8"
    delimiter: str = ","
    header_row: int = 1


def opened(path: Path) -> BinaryIO:
    """Bytes of a file, unpacked where it is gzipped."""
    return cast(BinaryIO, gzip.open(path) if _is_packed(path) else path.open("rb"))


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b" or path.name.lower().endswith(".gz")


def csv_chunks(
    path: Path, dialect: Dialect, *, columns: Sequence[str] | None, rows_at_once: int, typed: bool, text: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Chunks of a text table; an empty file has none, and nor has one with a header only.

    Raises
    ------
    InputError
        If a column has no single name, or rows have more or fewer cells than the header.
    """
    file = _File(path, dialect)
    names = file.header()
    as_text = set(text) if typed else set(names)
    rows, table = 0, None
    for table in _portions(file.blocks(names, columns, typed) if names else iter(()), rows_at_once):
        rows += table.num_rows
        file.refuse_uneven(rows)
        frame = table.to_pandas()
        yield frame.assign(**{name: _numbers(frame[name]) for name in frame.columns if name not in as_text})
    file.refuse_uneven(rows)
    if table is not None:
        file.refuse_open_quote(rows, table)


def csv_names(path: Path, dialect: Dialect) -> list[str]:
    """Names of the columns; none of an empty file. Raises InputError where two columns have one name."""
    return _File(path, dialect).header()


def named_columns(raw: Sequence[str], name: str) -> list[str]:
    """Names of columns as they are used: trimmed, and numbered where they are blank.

    Raises
    ------
    InputError
        If two columns have the same name.
    """
    names = [text.strip() or f"unnamed_{position}" for position, text in enumerate(raw, start=1)]
    twice = sorted({text for text in names if names.count(text) > 1})
    if twice:
        raise InputError(f"{name} has the column '{twice[0]}' twice.", "Rename or remove one of them.")
    return names


def _numbers(cells: pd.Series) -> pd.Series:
    try:
        return pd.to_numeric(cells)
    except ValueError:
        return cells


def _portions(blocks: Iterator[pa.Table], rows_at_once: int) -> Iterator[pa.Table]:
    """Cut a file's blocks into portions of so many rows."""
    held: pa.Table | None = None
    for block in blocks:
        held = block if held is None else pa.concat_tables([held, block])
        while held.num_rows >= rows_at_once:
            yield held.slice(0, rows_at_once)
            held = held.slice(rows_at_once)
    if held is not None and held.num_rows > 0:
        yield held


class _File:
    """A text table that is being read: what is known of the bytes and rows so far."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self.path = path
        self.closed = False  # what Arrow asks of a file
        self._dialect = dialect
        self._raw: list[str] = []
        self._uneven: list[Any] = []
        self._open()

    def _open(self) -> None:
        self._bytes = pa.input_stream(str(self.path), compression="gzip" if _is_packed(self.path) else None)
        self._quotes, self._last = 0, b""
        plain = codecs.lookup(self._dialect.encoding).name in {"utf-8", "ascii"}
        self._decoder = None if plain else codecs.getincrementaldecoder(self._dialect.encoding)()

    def read(self, size: int) -> bytes:
        """Return the next bytes, as UTF-8."""
        data = bytes(self._bytes.read(size))
        if self._decoder is not None:
            text = self._decoder.decode(data, final=not data)
            while data and not text:  # a character may be longer than what was read
                data = bytes(self._bytes.read(size))
                text = self._decoder.decode(data, final=not data)
            data = text.encode()
        self._quotes += data.count(b'"')
        self._last = data[-1:] or self._last
        return data

    def header(self) -> list[str]:
        """Names of the columns; none of an empty file."""
        try:
            self._raw = self._first_names(HEADER_BYTES)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return []
            self._open()
            self._raw = self._first_names(BLOCK_BYTES)  # a row may be longer than what is read for the header
        self._open()
        return named_columns(self._raw, str(self.path))

    def _first_names(self, block_bytes: int) -> list[str]:
        reading, parse = self._reading(block_bytes), self._parsing(lambda _: "skip")
        return [str(name) for name in pacsv.open_csv(self, reading, parse).schema.names]

    def blocks(self, names: Sequence[str], columns: Sequence[str] | None, typed: bool) -> Iterator[pa.Table]:
        """Rows as text: a type found in one block may not fit the next."""
        chosen = [place for place, name in enumerate(names) if columns is None or name in columns]
        convert = pacsv.ConvertOptions(
            column_types=dict.fromkeys(self._raw, pa.string()),
            include_columns=None if columns is None else [self._raw[place] for place in chosen],
            strings_can_be_null=typed,
        )
        try:
            for batch in pacsv.open_csv(self, self._reading(BLOCK_BYTES), self._parsing(self._skip), convert):
                yield pa.Table.from_batches([batch]).rename_columns([names[place] for place in chosen])
        except pa.ArrowInvalid as error:
            if "UTF8" not in str(error):
                raise
            row = re.search(r"Row #(\d+)", str(error))
            where = "a cell" if row is None else f"row {int(row[1]) - 1:,}"
            raise InputError(f"{self.path}: {where} is not UTF-8 text.", "Fetch or export it again.") from error

    def refuse_uneven(self, rows: int) -> None:
        """Raise InputError for rows with more or fewer cells than the header, if any were met."""
        if self._uneven:
            first = self._uneven[0]
            raise InputError(
                f"{self.path}: {len(self._uneven):,} of the {rows + len(self._uneven):,} rows read so far have more or "
                f"fewer cells than its header, first row {first.number - self._dialect.header_row:,}: "
                f"{first.actual_columns} cells instead of {first.expected_columns}.",
                HINT_UNEVEN,
            )

    def refuse_open_quote(self, rows: int, latest: pa.Table) -> None:
        """Raise InputError where the last cell took in all lines up to the end of the file, as an open quote does."""
        end = latest.column(latest.num_columns - 1)[-1].as_py() or ""
        if self._quotes % 2 == 1 and (end.endswith("\n") or self._last != b"\n"):
            raise InputError(
                f"{self.path} ends within a quotation mark, after {rows:,} rows.", "Fetch or export it again."
            )

    def _reading(self, block_bytes: int) -> pacsv.ReadOptions:
        return pacsv.ReadOptions(block_size=block_bytes, use_threads=False, skip_rows=self._dialect.header_row - 1)

    def _parsing(self, invalid: Callable[[Any], str]) -> pacsv.ParseOptions:
        return pacsv.ParseOptions(
            delimiter=self._dialect.delimiter, newlines_in_values=True, invalid_row_handler=invalid
        )

    def _skip(self, row: Any) -> str:
        self._uneven.append(row)
        return "skip"
