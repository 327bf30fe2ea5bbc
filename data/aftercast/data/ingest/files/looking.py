"""The detector: how a place is written, as far as its settings leave that open."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa

from aftercast.data.fleet import FileSettings
from aftercast.data.ingest.files import databases, parquet_files, workbooks
from aftercast.data.ingest.files.csv_files import Dialect, csv_names, opened
from aftercast.data.ingest.files.dialects import Style, find_delimiter, find_header, find_styles, split
from aftercast.data.ingest.files.encodings import find_encoding, require_encoding
from aftercast.data.ingest.files.places import Format, Place, format_of
from aftercast.operations.errors import InputError

SAMPLE_BYTES: Final = 1 << 16


@dataclass(frozen=True)
class Look:
    """What was found out about a place.

    Attributes
    ----------
    settings
        Those given, with what was found out filled in: encoding, delimiter, header_row, sheet.
    sheets
        Sheets of a workbook, tables of a database; empty for others.
    names
        Names of the columns; empty where there is nothing.
    """

    place: Place
    format: Format
    settings: FileSettings
    sheets: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def dialect(self) -> Dialect:
        """How a text table is written."""
        chosen = self.settings
        return Dialect(chosen.encoding or "utf-8", chosen.delimiter or ",", chosen.header_row or 1)

    def styles(self, sample: pd.DataFrame) -> list[Style]:
        """Styles of numbers that fit a sample of rows: one, or several where the cells do not prove one.

        A file separated by semicolons has a decimal comma where both are possible: spreadsheets separate by semicolons
        because of it.
        """
        fixed = self.settings
        if fixed.decimal or fixed.thousands:
            return [(fixed.decimal or ("," if fixed.thousands == "." else "."), fixed.thousands)]
        texts = [sample[name] for name in sample.columns if pd.api.types.is_string_dtype(sample[name].dtype)]
        found = find_styles(texts, fixed.missing)
        if len(found) > 1 and fixed.delimiter == ";":
            return [style for style in found if style[0] == ","][:1] or found
        return found


def look(place: Place, settings: FileSettings) -> Look:
    """Find out how a place is written.

    Raises
    ------
    InputError
        If it is missing, damaged, no table, or not written as its settings say.
    """
    with damage_named(place):
        return _look(place, settings)


@contextmanager
def damage_named(place: Place, rows: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Raise InputError that names the place, and the rows read so far, where it is damaged or may not be read."""
    try:
        yield
    except PermissionError as error:
        raise InputError(f"{place} may not be read.", "Give this user the right to read it.") from error
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        kind = place.suffix[1:] if isinstance(place, Path) else "database"
        raise InputError(
            f"{place} is damaged after {rows():,} rows, or not a {kind} file.", "Fetch or export it again."
        ) from error


def _look(place: Place, settings: FileSettings) -> Look:
    form = format_of(place)
    if isinstance(place, str):
        tables = databases.database_tables(place)
        query = getattr(settings, "query", "")
        return Look(place, form, settings, tuple(tables), tuple(databases.query_names(place, query) if query else ()))
    if form == "parquet":
        return Look(place, form, settings, (), tuple(parquet_files.parquet_names(place)))
    if form == "workbook":
        return _look_at_workbook(place, settings)
    return _look_at_text(place, settings)


def _look_at_workbook(path: Path, settings: FileSettings) -> Look:
    sheets = workbooks.sheet_names(path)
    chosen = settings.model_copy(update={"sheet": settings.sheet or sheets[0]})
    row, names = workbooks.sheet_header(path, chosen.sheet, settings.header_row)
    chosen = chosen.model_copy(update={"header_row": row})
    return Look(path, "workbook", chosen, tuple(sheets), tuple(names))


def _look_at_text(path: Path, settings: FileSettings) -> Look:
    if settings.encoding:
        require_encoding(lambda: opened(path), settings.encoding, str(path))
    encoding = settings.encoding or find_encoding(lambda: opened(path), str(path))
    text = _sample(path, encoding)
    above = "\n".join(islice(text.splitlines(), settings.header_row - 1, None)) if settings.header_row else text
    delimiter = settings.delimiter or find_delimiter(above)
    header_row = settings.header_row or _header_line(text, delimiter)
    chosen = settings.model_copy(update={"encoding": encoding, "delimiter": delimiter, "header_row": header_row})
    names = csv_names(path, Dialect(encoding, delimiter, header_row))
    if not names and text.strip():
        raise InputError(f"{path} has no line {header_row}, which should name its columns.", "Correct header_row.")
    return Look(path, "csv", chosen, (), tuple(names))


def _sample(path: Path, encoding: str) -> str:
    """Whole lines from the beginning of a text file."""
    with opened(path) as file:
        data = file.read(SAMPLE_BYTES)
        whole = len(data) < SAMPLE_BYTES
    text = data.decode(encoding, errors="ignore").removeprefix("\ufeff")
    return text if whole else text[: text.rfind("\n") + 1] or text


def _header_line(text: str, delimiter: str) -> int:
    """Line of the names of columns, from 1; blank lines count."""
    rows = split(text, delimiter)
    place = find_header(rows)
    filled = [number for number, line in enumerate(text.splitlines(), start=1) if line.strip(delimiter + " ")]
    return filled[place] if 0 < place < len(filled) else 1
