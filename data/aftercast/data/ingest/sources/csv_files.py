"""Reading CSV in chunks: comma-separated UTF-8, plain or gzipped, each row with as many cells as the header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from aftercast.operations.errors import InputError

SEPARATORS: Final = {";": "';'", "\t": "a tab"}
"""What else separates cells in files called CSV, and what people call it."""
BLOCK_BYTES: Final = 8 << 20
"""What is parsed at once; no row may be longer."""
READ: Final = pacsv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)


def csv_chunks(
    path: Path, columns: Sequence[str] | None, rows_at_once: int, typed: bool, text: Sequence[str]
) -> Iterator[pd.DataFrame]:
    """Chunks of a CSV, as ``read_chunks`` describes them; an empty file has none.

    Raises
    ------
    InputError
        If the file is not UTF-8, not comma-separated, or has rows with more or fewer cells than its header.
    """
    file = _File(path)
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
    """A CSV file that is being read: what is known of the bytes and rows so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = False  # what Arrow asks of a file
        self._uneven: list[Any] = []
        self._open()

    def _open(self) -> None:
        compression = "gzip" if self.path.name.lower().endswith(".gz") else None
        self._bytes = pa.input_stream(str(self.path), compression=compression)
        self._quotes, self._last = 0, b""

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        data = bytes(self._bytes.read(size))
        self._quotes += data.count(b'"')
        self._last = data[-1:] or self._last
        return data

    def header(self) -> list[str]:
        """Names of the columns; none of an empty file."""
        parse = pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda _: "skip")
        try:
            names = [str(name) for name in pacsv.open_csv(self, READ, parse).schema.names]
        except UnicodeDecodeError as error:
            raise self._not_utf8("its header") from error
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return []
            raise
        for separator, called in SEPARATORS.items():
            if len(names) == 1 and separator in names[0]:
                raise InputError(
                    f"{self.path} is separated by {called}, not by commas.",
                    "Save it comma-separated, with a point in decimal numbers.",
                )
        self._open()
        return names

    def blocks(self, names: Sequence[str], columns: Sequence[str] | None, typed: bool) -> Iterator[pa.Table]:
        """Rows as text: a type found in one block may not fit the next."""
        convert = pacsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=None if columns is None else [name for name in columns if name in names],
            strings_can_be_null=typed,
        )
        parse = pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=self._skip)
        try:
            for batch in pacsv.open_csv(self, READ, parse, convert):
                yield pa.Table.from_batches([batch])
        except pa.ArrowInvalid as error:
            if "UTF8" not in str(error):
                raise
            row = re.search(r"Row #(\d+)", str(error))
            raise self._not_utf8("a cell" if row is None else f"row {int(row[1]) - 1:,}") from error

    def refuse_uneven(self, rows: int) -> None:
        """Raise InputError for rows with more or fewer cells than the header, if any were met."""
        if self._uneven:
            first = self._uneven[0]
            raise InputError(
                f"{self.path}: {len(self._uneven):,} of the {rows + len(self._uneven):,} rows read so far have more or "
                f"fewer cells than its header, first row {first.number - 1:,}: {first.actual_columns} cells instead of "
                f"{first.expected_columns}.",
                "Export it again as CSV; text that holds a comma belongs in quotation marks.",
            )

    def refuse_open_quote(self, rows: int, latest: pa.Table) -> None:
        """Raise InputError where the last cell took in all lines up to the end of the file, as an open quote does."""
        end = latest.column(latest.num_columns - 1)[-1].as_py() or ""
        if self._quotes % 2 == 1 and (end.endswith("\n") or self._last != b"\n"):
            raise InputError(
                f"{self.path} ends within a quotation mark, after {rows:,} rows.", "Fetch or export it again."
            )

    def _skip(self, row: Any) -> str:
        self._uneven.append(row)
        return "skip"

    def _not_utf8(self, where: str) -> InputError:
        return InputError(
            f"{self.path} is not a comma-separated UTF-8 file: {where} is not UTF-8 text.",
            "Export it again as CSV in UTF-8.",
        )
