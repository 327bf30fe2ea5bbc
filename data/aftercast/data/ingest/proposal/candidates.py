"""What might be a table: every file, folder of parts, sheet and table of a database, with a look at its first rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import TableSettings
from aftercast.data.ingest.files import Look, Place, is_readable, look, name_of, read_chunks, stem_of
from aftercast.data.ingest.files.databases import database_tables
from aftercast.data.ingest.files.dialects import Style
from aftercast.data.ingest.files.workbooks import blank, sheet_names
from aftercast.data.ingest.proposal.contents import Content
from aftercast.data.ingest.sources.parts import WORKBOOKS
from aftercast.operations.errors import AftercastError, InputError

ROWS: Final = 50_000


@dataclass(frozen=True)
class Candidate:
    """One place that might be a table.

    Attributes
    ----------
    name
        As people name it, for questions: ``fleet.xlsx/设备``.
    title
        What says what it is about: the sheet's, else the file's name.
    settings
        Those that find it again below the path: ``file``, ``sheet``, ``query``.
    sample
        Its first rows as they are read.
    shared
        The one column beside times that other places have, too: what rows of all of them are about.
    """

    name: str
    title: str
    settings: TableSettings
    look: Look
    sample: pd.DataFrame
    shared: str = ""

    @cached_property
    def styles(self) -> list[Style]:
        """How it may write numbers."""
        return self.look.styles(self.sample)

    @cached_property
    def contents(self) -> dict[str, Content]:
        """What each of its columns holds."""
        return {str(name): Content(self.sample[name], self.styles[0]) for name in self.sample.columns}

    @property
    def named_table(self) -> str:
        """Table that it is named like in any case; empty where it is named like none."""
        return self.title.strip().lower() if self.title.strip().lower() in TABLES else ""


def find_candidates(place: Place) -> tuple[list[Candidate], dict[str, str]]:
    """Everything below a path that might be a table, and for the name of each file that cannot be read why.

    Raises
    ------
    InputError
        If there is nothing to look at.
    """
    found: list[Candidate] = []
    refused: dict[str, str] = {}
    for name, title, settings, where in _places(place):
        try:
            looked = look(where, settings)
            if not looked.names and looked.format == "csv":
                refused[name] = f"{name} is empty: it has no header."
            if looked.names:
                sample = next(read_chunks(looked, rows_at_once=ROWS), blank(looked.names))
                found.append(Candidate(name, title, settings, looked, sample))
        except AftercastError as error:
            refused[name] = f"{error.message} {error.hint}"
    if not found and not refused:
        raise InputError(f"{name_of(place)} holds no file that is read.", "Name a folder with CSV, XLSX or Parquet.")
    return _with_shared(found), refused


def _with_shared(candidates: list[Candidate]) -> list[Candidate]:
    """Candidates that know which one column others have as well, if there is one."""
    named = Counter(
        raw
        for each in candidates
        for raw, content in each.contents.items()
        if len(content.held) > 0 and not content.is_time and not content.epoch
    )
    common = [raw for raw, count in named.items() if count > 1]
    return [replace(each, shared=common[0]) for each in candidates] if len(common) == 1 else candidates


def _places(place: Place) -> Iterator[tuple[str, str, TableSettings, Place]]:
    if isinstance(place, str):
        for table in database_tables(place):
            yield f"{name_of(place)}/{table}", table, TableSettings(query=table), place
        return
    entries = [place] if place.is_file() else sorted(place.iterdir())
    for entry in entries:
        if not entry.name.startswith((".", "_", "~$")):
            files = [entry] if entry.is_file() else [file for file in sorted(entry.rglob("*")) if is_readable(file)]
            yield from _of_entry(entry, [file for file in files if is_readable(file)], place)


def _of_entry(entry: Path, files: list[Path], place: Path) -> Iterator[tuple[str, str, TableSettings, Place]]:
    """A folder whose files have one header is one table in parts."""
    if entry.is_dir() and len(files) > 1 and len({_header(file) for file in files}) == 1:
        yield entry.name, entry.name, TableSettings(file=entry.name), files[0]
        return
    for file in files:
        inside = str(file.relative_to(place)) if place.is_dir() else file.name
        if file.suffix.lower() in WORKBOOKS:
            sheets = sheet_names(file)
            for sheet in sheets:
                title = stem_of(file) if len(sheets) == 1 else sheet
                yield f"{inside}/{sheet}", title, TableSettings(file=inside, sheet=sheet), file
        else:
            yield inside, stem_of(file), TableSettings(file=inside), file


def _header(file: Path) -> tuple[str, ...]:
    return () if file.suffix.lower() in WORKBOOKS else look(file, TableSettings()).names
