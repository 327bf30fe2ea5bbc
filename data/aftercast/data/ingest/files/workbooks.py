"""Reading XLSX, XLS and ODS: one sheet, its cells as text, a merged cell's value in every row of the merge.

Times are written as ISO 8601 without a zone, whole numbers without a point. A workbook is held in memory while it is
read: a sheet has at most 1,048,576 rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pandas as pd
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, WorksheetNotFound
from python_calamine import load_workbook as open_workbook

from aftercast.data.ingest.files.csv_files import named_columns
from aftercast.data.ingest.files.dialects import HEADER_WITHIN, find_header
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

EXACT: Final = 10**15
"""Spreadsheets keep 15 digits of a number; longer ones have lost some."""
LOST_DIGITS: Final = "#15-DIGITS"
"""What is written behind a number that a spreadsheet cannot have kept whole."""


def sheet_names(path: Path) -> list[str]:
    """Sheets of a workbook in their order."""
    return list(_workbook(path).sheet_names)


def sheet_chunks(path: Path, sheet: str, header_row: int, rows_at_once: int) -> Iterator[pd.DataFrame]:
    """Chunks of a sheet's rows as text, blank rows left out.

    Parameters
    ----------
    sheet
        Name of the sheet, the first where empty.
    header_row
        Row of the names of columns, from 1; 0 finds it.

    Raises
    ------
    InputError
        If the workbook is damaged or has a password, or has no such sheet.
    """
    rows = _rows(_sheet(path, sheet))
    names = next(rows := _from_header(rows, header_row), None)
    if names is None:
        return
    columns = named_columns(names, f"{path} sheet '{sheet}'" if sheet else str(path))
    filled = (row for row in rows if any(row))
    while held := list(islice(filled, rows_at_once)):
        yield pd.DataFrame(held, columns=columns, dtype="str")


def sheet_header(path: Path, sheet: str, header_row: int) -> tuple[int, list[str]]:
    """Row, from 1, and names of the columns of a sheet; no names of an empty one."""
    start = list(islice(_rows(_sheet(path, sheet)), HEADER_WITHIN * 4))
    row = header_row or find_header(start) + 1
    return row, named_columns(start[row - 1], str(path)) if len(start) >= row else []


def _from_header(rows: Iterator[list[str]], header_row: int) -> Iterator[list[str]]:
    start = list(islice(rows, max(header_row, HEADER_WITHIN * 4)))
    yield from start[header_row - 1 if header_row else find_header(start) :]
    yield from rows


def _workbook(path: Path) -> CalamineWorkbook:
    try:
        return open_workbook(str(path))
    except PasswordError as error:
        raise InputError(f"{path} is locked with a password.", "Save a copy without one.") from error
    except (CalamineError, OSError) as error:
        raise InputError(f"{path} is damaged, or no workbook.", "Save it again as XLSX.") from error


def _sheet(path: Path, name: str) -> CalamineSheet:
    workbook = _workbook(path)
    try:
        return workbook.get_sheet_by_name(name) if name else workbook.get_sheet_by_index(0)
    except WorksheetNotFound as error:
        hint = suggestion(name, workbook.sheet_names, "Sheets")
        raise InputError(f"{path} has no sheet '{name}'.", hint) from error


def _rows(sheet: CalamineSheet) -> Iterator[list[str]]:
    """Rows as text from the first row of the sheet on."""
    if sheet.start is None:
        return
    (top, left), merges = sheet.start, _merges(sheet)
    values: dict[tuple[int, int], str] = {}
    yield from ([] for _ in range(top))
    for number, cells in enumerate(sheet.iter_rows(), start=0):
        row = [_text(cell) for cell in cells]
        for column, origin in merges.get(number, ()):
            if column - left < len(row):
                here = (number, column)
                values.setdefault(origin, row[column - left] if here == origin else "")
                row[column - left] = values[origin]
        yield row


def _merges(sheet: CalamineSheet) -> dict[int, list[tuple[int, tuple[int, int]]]]:
    """Per row the merged columns, each with the cell that holds the value."""
    found: dict[int, list[tuple[int, tuple[int, int]]]] = {}
    for first, last in sheet.merged_cell_ranges or ():
        if first[0] == last[0]:  # a title over several columns is no value of each
            continue
        for row in range(first[0], last[0] + 1):
            found.setdefault(row, []).extend((column, first) for column in range(first[1], last[1] + 1))
    return found


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float | int):
        return _number(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep="T")
    return cell.isoformat() if isinstance(cell, dt.date | dt.time) else str(cell)


def _number(value: float) -> str:
    if value != value or abs(value) == float("inf"):  # noqa: PLR0124 - the test for NaN without a library
        return ""
    if value % 1 != 0:
        return repr(value)
    return str(int(value)) if abs(value) < EXACT else f"{int(value)}{LOST_DIGITS}"


def blank(names: Sequence[str]) -> pd.DataFrame:
    """Return a frame of no rows with these columns, all text."""
    return pd.DataFrame({name: pd.Series(dtype="str") for name in names})
