"""The reader: rows of a file, a sheet or a query in chunks, as `look` found it to be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pandas as pd

from aftercast.data.fleet import FileSettings
from aftercast.data.ingest.files.csv_files import csv_chunks
from aftercast.data.ingest.files.databases import query_chunks
from aftercast.data.ingest.files.looking import Look, damage_named, look
from aftercast.data.ingest.files.parquet_files import parquet_chunks
from aftercast.data.ingest.files.places import Place
from aftercast.data.ingest.files.workbooks import sheet_chunks

ROWS_AT_ONCE: Final = 400_000
AS_FOUND: Final = FileSettings()


def read_chunks(
    place: Place | Look,
    settings: FileSettings = AS_FOUND,
    *,
    columns: Sequence[str] | None = None,
    typed: bool = False,
    text: Sequence[str] = (),
    rows_at_once: int = ROWS_AT_ONCE,
) -> Iterator[pd.DataFrame]:
    """Rows in chunks that are never empty; the index, from 0, continues through them.

    Cells of text files and workbooks are text, those of Parquet and databases typed. A table without rows has no
    chunk.

    Parameters
    ----------
    place
        Where the rows stand, or what a look at it found.
    columns
        Only these columns, where there are such; all columns of a workbook or query.
    typed
        Columns of a text file whose cells in a chunk are all numbers become numbers.
    text
        Columns that stay text even so: identifiers, whose leading zeros count.

    Raises
    ------
    InputError
        If the place is missing or damaged, or rows have more or fewer cells than the header.
    """
    rows = 0
    found = place if isinstance(place, Look) else look(place, settings)
    with damage_named(found.place, lambda: rows):
        for chunk in _chunks(found, columns, typed, text, rows_at_once):
            yield chunk.set_axis(pd.RangeIndex(rows, rows + len(chunk)), axis="index")
            rows += len(chunk)


def _chunks(
    found: Look, columns: Sequence[str] | None, typed: bool, text: Sequence[str], rows_at_once: int
) -> Iterator[pd.DataFrame]:
    if isinstance(found.place, str):
        return query_chunks(found.place, getattr(found.settings, "query", ""), rows_at_once)
    if found.format == "parquet":
        return parquet_chunks(found.place, columns, rows_at_once)
    if found.format == "workbook":
        return sheet_chunks(found.place, found.settings.sheet, found.settings.header_row, rows_at_once)
    return csv_chunks(found.place, found.dialect, columns=columns, rows_at_once=rows_at_once, typed=typed, text=text)
