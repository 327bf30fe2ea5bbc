"""Cells of a file into the contract's writing, by the settings of its table: the one place where that happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import Table
from aftercast.data.fleet import FleetSpec, TableSettings
from aftercast.data.ingest.batches import Fault
from aftercast.data.ingest.files.dialects import PLAIN, Style
from aftercast.data.ingest.files.numbers import in_words, read_numbers
from aftercast.data.ingest.files.places import Format
from aftercast.data.ingest.files.times import read_times
from aftercast.data.ingest.files.workbooks import LOST_DIGITS

FREE_TEXT: Final = "text"
"""The one column in which a person writes lines."""


@dataclass(frozen=True)
class Writing:
    """How the cells of one place are written.

    Attributes
    ----------
    settings
        Those of its table.
    style
        Decimal sign and sign that groups thousands.
    format
        Which kind of place it is.
    """

    table: Table
    spec: FleetSpec
    settings: TableSettings
    style: Style
    format: Format


@dataclass(frozen=True)
class Cells:
    """A frame in the contract's writing, and the cells that could not be brought into it."""

    frame: pd.DataFrame
    faults: tuple[Fault, ...]


def into_contract(frame: pd.DataFrame, writing: Writing) -> Cells:
    """Bring cells under the contract's names into the contract's writing; cells at fault stay as they were read."""
    read = {str(name): frame[name] for name in frame.columns}
    columns = dict(read)
    faults: list[Fault] = []
    for step in _STEPS:
        for name, cells in columns.items():
            columns[name], found = step(name, cells, writing)
            faults += found
    changed = {name: cells for name, cells in columns.items() if cells is not read[name]}
    return Cells(frame.assign(**changed) if changed else frame, tuple(fault for fault in faults if fault.rows.any()))


Step = Callable[[str, pd.Series, Writing], tuple[pd.Series, list[Fault]]]


def _is_text(cells: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(cells.dtype) or cells.dtype == object


def _missing(_name: str, cells: pd.Series, writing: Writing) -> tuple[pd.Series, list[Fault]]:
    """Words that stand for a missing value become missing."""
    words = writing.settings.missing
    if not words or not _is_text(cells):
        return cells, []
    return cells.mask(cells.astype("str").str.strip().isin(words)), []


def _values(name: str, cells: pd.Series, writing: Writing) -> tuple[pd.Series, list[Fault]]:
    """Words of the file become values of the contract."""
    words = writing.settings.values.get(name)
    if not words:
        return cells, []
    lower = {word.lower(): value for word, value in words.items()}
    codes, uniques = pd.factorize(cells)
    texts = [str(unique).strip() for unique in uniques]
    mapped = np.array([*(words.get(text, lower.get(text.lower(), text)) for text in texts), None], dtype=object)
    return pd.Series(mapped[codes], index=cells.index, dtype="str"), []


def _digits(name: str, cells: pd.Series, writing: Writing) -> tuple[pd.Series, list[Fault]]:
    """Numbers of which a spreadsheet has lost digits are no ids."""
    if writing.format != "workbook" or not _is_text(cells):
        return cells, []
    lost = np.asarray(cells.str.endswith(LOST_DIGITS).fillna(False), dtype=bool)
    if not lost.any():
        return cells, []
    column = writing.table.column(name)
    cells = cells.str.removesuffix(LOST_DIGITS)
    if column is None or column.kind != "text":
        return cells, []
    about = "has more than 15 digits, of which a spreadsheet keeps 15: format the column as text and enter it again"
    return cells, [Fault(name, lost, "unusable_id", about)]


def _lines(name: str, cells: pd.Series, writing: Writing) -> tuple[pd.Series, list[Fault]]:
    """A name never holds a line break: a stray quotation mark swallowed the lines between."""
    column = writing.table.column(name)
    if writing.format != "csv" or column is None or column.kind != "text" or name == FREE_TEXT or not _is_text(cells):
        return cells, []
    broken = np.asarray(cells.str.strip().str.contains("\n", regex=False).fillna(False), dtype=bool)
    return cells, [Fault(name, broken, "line_break", "holds a line break: is there a stray quotation mark?")]


def _numbers(name: str, cells: pd.Series, writing: Writing) -> tuple[pd.Series, list[Fault]]:
    """Numbers get a point and no grouping."""
    column = writing.table.column(name)
    if not _is_text(cells) or (column is not None and column.kind not in {"float", "int"}):
        return cells, []
    if column is None and not _is_numeric(cells, writing):
        return cells, []
    read, wrong = read_numbers(cells, writing.style)
    about = f"is not {in_words(writing.style)}"
    return read, [Fault(name, wrong, "unparsable", about)] if writing.style != PLAIN else []


def _is_numeric(cells: pd.Series, writing: Writing) -> bool:
    """Whether a column beyond the contract holds numbers in another writing than the contract's.

    Sensors that the fleet spec lists hold numbers, whatever is in them.
    """
    if writing.style == PLAIN:
        return bool(cells.head(1000).astype("str").str.lower().isin(("true", "false")).any())
    if writing.table.name == "telemetry" and str(cells.name) in writing.spec.sensor_names:
        return True
    held = cells.dropna()
    return len(held) > 0 and bool((~read_numbers(held, writing.style)[1]).mean() >= 0.9)


def _times(name: str, cells: pd.Series, writing: Writing) -> tuple[pd.Series, list[Fault]]:
    """Times get their zone; days stay days."""
    column, settings = writing.table.column(name), writing.settings
    if column is None or column.kind not in {"time", "date"} or not (settings.zone or settings.time_format):
        return cells, []
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        return cells, []
    if column.kind == "date":
        read = read_times(cells, "UTC", settings.time_format)
        days = read.values.dt.strftime("%Y-%m-%d").astype("object")
        return days.where(read.values.notna(), cells), []
    read = read_times(cells, settings.zone, settings.time_format)
    faults = [Fault(name, rows, "clock_change", about) for about, rows in read.faults.items()]
    unread = read.unread & np.asarray(~_is_missing(cells))
    if settings.time_format and unread.any():
        faults.append(Fault(name, unread, "unparsable", f"is not written as {settings.time_format}"))
    if not faults and not read.naive.any():
        return read.values, []
    stamps = read.values.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ").astype("object").where(read.values.notna(), cells)
    if read.naive.any():  # in one writing, for the checks to refuse
        local = read_times(cells, "UTC", settings.time_format).values.dt.strftime("%Y-%m-%dT%H:%M:%S")
        stamps = stamps.where(~read.naive, local)
    return stamps.astype("str"), faults


def _is_missing(cells: pd.Series) -> pd.Series:
    return cells.isna() | (cells.astype("str").str.strip() == "")


_STEPS: Final[tuple[Step, ...]] = (_missing, _values, _digits, _lines, _numbers, _times)
