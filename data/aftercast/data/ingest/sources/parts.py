"""Which file, sheet or query holds which table: by the fleet spec, else by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from aftercast.data.contract import TABLES
from aftercast.data.fleet import FleetSpec, TableSettings
from aftercast.data.ingest.files import SUFFIXES, Place, is_readable, name_of, stem_of
from aftercast.data.ingest.files.databases import database_tables
from aftercast.data.ingest.files.workbooks import sheet_names
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

WORKBOOKS: Final = (".xlsx", ".xlsm", ".xls")
DOCUMENTS: Final = (".txt",)
"""Endings of files that are tables only where their name says so."""


@dataclass(frozen=True)
class Part:
    """Rows of one table in one place.

    Attributes
    ----------
    settings
        How they are read.
    origin
        The place as people name it, for messages.
    """

    place: Place
    settings: TableSettings
    origin: str


def find_parts(place: Place, spec: FleetSpec) -> dict[str, list[Part]]:
    """Parts of each table, in the contract's order.

    Raises
    ------
    InputError
        If the place does not exist, holds no table, a data file that is named like none, a table in a format that is
        not read, or lacks a file that the fleet spec names.
    """
    if isinstance(place, str):
        found = _in_database(place, spec)
    elif not place.exists():
        raise InputError(f"{place} does not exist.", "Name a folder with files such as devices.csv.")
    else:
        found = _stated(place, spec) or {}
        taken = {part.place for parts in found.values() for part in parts}
        for name, parts in _named(place, spec, taken).items():
            found.setdefault(name, parts)
    if not found:
        raise InputError(
            f"{name_of(place)} holds no table.", f"Put files such as devices.csv into it; tables: {', '.join(TABLES)}."
        )
    return {table: found[table] for table in TABLES if table in found}


def files_below(path: Path) -> list[Path]:
    """Files that are read, below a folder or the file itself, sorted."""
    return [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if is_readable(file)]


def _in_database(address: str, spec: FleetSpec) -> dict[str, list[Part]]:
    known = {name.lower(): name for name in database_tables(address)}
    found = {}
    for table in TABLES:
        settings = spec.table(table)
        query = settings.query or known.get(table, "")
        if query:
            chosen = settings.model_copy(update={"query": query})
            found[table] = [Part(address, chosen, f"{name_of(address)}:{table if settings.query else query}")]
    return found


def _stated(place: Path, spec: FleetSpec) -> dict[str, list[Part]]:
    """Parts of the tables whose files the fleet spec names; a single file counts where its name is one of them."""
    found: dict[str, list[Part]] = {}
    for table, own in spec.tables.items():
        if not own.file or table not in TABLES:
            continue
        files = [place] if place.is_file() and fnmatchcase(place.name, Path(own.file).name) else []
        if place.is_dir():
            files = [file for match in sorted(place.glob(own.file)) for file in files_below(match)]
            if not files:
                raise InputError(
                    f"{place} has no file '{own.file}', which [tables.{table}] names.",
                    suggestion(own.file, [file.name for file in files_below(place)], "Files"),
                )
        if files:
            found[table] = [Part(file, spec.table(table), _origin(file, place, spec.table(table))) for file in files]
    return found


def _named(place: Path, spec: FleetSpec, taken: set[Place]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = {}
    entries = [place] if place.is_file() else sorted(place.iterdir())
    for entry in entries:
        if entry.name.startswith((".", "_", "~$")) or _is_ignored(entry, spec):
            continue
        table = _table_of(entry)
        for file in _files_of(entry, table):
            if file in taken:
                continue
            for name, settings in _tables_in(file, table, spec):
                found.setdefault(name, []).append(Part(file, settings, _origin(file, place, settings)))
    return found


def _files_of(entry: Path, table: str) -> list[Path]:
    files = [file for file in files_below(entry) if is_readable(file)]
    if not files and entry.name.split(".")[0].lower() in TABLES:  # other files are no concern of ours
        raise InputError(
            f"{entry} holds no data in a format that is read.",
            f"Export it as one of {', '.join(SUFFIXES)}, or remove it.",
        )
    if table not in TABLES and entry.is_file():
        return [file for file in files if file.suffix.lower() not in DOCUMENTS]
    return files


def _tables_in(file: Path, table: str, spec: FleetSpec) -> Iterator[tuple[str, TableSettings]]:
    """Tables of a file: the one it is named like, else those its sheets are named like."""
    if table in TABLES:
        yield table, spec.table(table)
        return
    sheets = sheet_names(file) if file.suffix.lower() in WORKBOOKS else []
    named = {sheet: sheet.strip().lower() for sheet in sheets if sheet.strip().lower() in TABLES}
    for sheet, name in named.items():
        yield name, spec.table(name).model_copy(update={"sheet": sheet})
    if not named:
        raise _no_table(file, table, spec)


def _no_table(file: Path, name: str, spec: FleetSpec) -> InputError:
    if any(settings.file for settings in spec.tables.values()):
        hint = f'Name it in fleet.toml as the file of its table, or leave it out: [files] ignore = ["{file.name}"].'
        return InputError(f"{file} is the file of no table.", hint)
    parent = stem_of(file.parent)
    if file.stem.lower() in TABLES and parent == name:
        return InputError(f"{file.parent} is named like no table.", f"Name the folder {file.parent} itself.")
    return InputError(
        f"{file} is named like no table.",
        suggestion(name, TABLES, "Tables") + " `aftercast init DIR --source PATH` finds out what it is.",
    )


def _is_ignored(entry: Path, spec: FleetSpec) -> bool:
    return any(fnmatchcase(entry.name, pattern) for pattern in spec.files.ignore)


def _table_of(path: Path) -> str:
    """Table a file or folder is named after, in any case; its own name where that is none."""
    name = stem_of(path)
    return name.lower() if name.lower() in TABLES else name


def _origin(file: Path, place: Path, settings: TableSettings) -> str:
    name = str(file.relative_to(place)) if place.is_dir() else file.name
    return f"{name} sheet '{settings.sheet}'" if settings.sheet and file.suffix.lower() in WORKBOOKS else name
