"""Where rows stand: a file, told apart by what it begins with, or the address of a database."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final, Literal

from sqlalchemy.engine import make_url

from aftercast.operations.errors import InputError

Place = Path | str
"""A file, or the address of a database as SQLAlchemy writes it."""
Format = Literal["csv", "parquet", "workbook", "database"]

TEXT_SUFFIXES: Final = (".csv", ".tsv", ".txt")
SUFFIXES: Final = (".parquet", ".csv.gz", ".tsv.gz", ".txt.gz", *TEXT_SUFFIXES, ".xlsx", ".xlsm", ".xls")
DRIVERS: Final = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
"""Driver of an address that names none, where ours is not SQLAlchemy's first choice."""


def is_database(place: object) -> bool:
    """Whether a place is the address of a database.

    >>> is_database("sqlite:///fleet.db"), is_database(Path("devices.csv"))
    (True, False)
    """
    return isinstance(place, str) and "://" in place


def name_of(place: Place) -> str:
    """Name of a place for people, without the password of a database."""
    return make_url(place).database or place.split(":")[0] if isinstance(place, str) else place.name


def stem_of(path: Path) -> str:
    """File name without the endings that are read.

    >>> stem_of(Path("PdM_errors.csv.gz"))
    'PdM_errors'
    """
    for suffix in SUFFIXES:
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.name


def is_readable(path: Path) -> bool:
    """Whether a file has an ending that is read, and is neither hidden nor a lock of a spreadsheet."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES) and not path.name.startswith((".", "_", "~$"))


def format_of(place: Place) -> Format:
    """How a place is read; the first bytes count more than the name.

    Raises
    ------
    InputError
        If the file is an archive, a web page, or not there.
    """
    if isinstance(place, str):
        return "database"
    if not place.is_file():
        raise InputError(f"{place} {'is a folder' if place.is_dir() else 'does not exist'}.", "Name a file.")
    try:
        with place.open("rb") as file:
            start = file.read(512)
    except PermissionError as error:
        raise InputError(f"{place} may not be read.", "Give this user the right to read it.") from error
    if start.startswith(b"PAR1") or place.suffix.lower() == ".parquet":
        return "parquet"
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return "workbook"
    if start.startswith(b"PK\x03\x04"):
        return _zipped(place)
    if start.lstrip().lower().startswith((b"<html", b"<!doctype", b"<?xml", b"<table")):
        raise InputError(f"{place} is a web page or XML, not a table.", "Save it as XLSX or CSV.")
    return "csv"


def _zipped(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            inside = archive.namelist()
    except zipfile.BadZipFile as error:
        raise InputError(f"{path} is damaged: it ends too early.", "Fetch or export it again.") from error
    if "xl/workbook.xml" in inside or "xl/workbook.bin" in inside or "content.xml" in inside:
        return "workbook"
    raise InputError(f"{path} is an archive of {len(inside)} files, not a table.", "Unpack it and name the folder.")
