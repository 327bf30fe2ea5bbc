"""Source ``tables``: the user's own data, one file or folder per table of the contract.

Layout: ``devices.csv``, ``failures.parquet``, ``telemetry/part-0001.parquet`` and so on; CSV (plain or gzipped) or
Parquet; names in any case. Columns have the contract's names or are mapped in the fleet spec
(``[tables.TABLE.columns]`` contract column = "column of the file"). Telemetry is wide (a column per sensor) or long
(``device_id, event_time, sensor, value``).

Clocks: times must carry their zone, and are converted to UTC by the ingest; a table without ``available_at`` gets it
there by the fleet spec's ``available_after``. CSV cells stay text, so that the ingest judges each by itself.

Derived: nothing. Long telemetry becomes wide chunk by chunk; the ingest merges an instant that two chunks share.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.sources.drafting import draft_spec
from aftercast.data.ingest.sources.reading import SUFFIXES, is_readable, read_chunks, stem_of
from aftercast.data.ingest.sources.source import NEW, Source
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

LONG: Final = ("sensor", "value")
SECTIONS: Final = ("sensors", "components", "fault_codes")


def read(path: Path, spec: FleetSpec) -> Iterator[Batch]:
    """Every table found, in the contract's order, its files by name."""
    for table, files in find_tables(path).items():
        for file in files:
            origin = str(file.relative_to(path)) if path.is_dir() else file.name
            for chunk in read_chunks(file):
                frame = _long_to_wide(_renamed(chunk, table, file, spec), table)
                yield Batch(table, frame, origin, int(chunk.index[0]) + 1)


def draft(path: Path, begun: FleetSpec = NEW, /) -> FleetSpec:
    """Fleet spec drafted from a look at devices, telemetry, failures, repairs and faults."""
    tables, folder = find_tables(path), path.resolve() if path.is_dir() else path.resolve().parent
    if begun is NEW and not {"devices", "customers"} & tables.keys():  # else they may have come before
        raise InputError(
            f"'{folder.name}' has neither devices nor customers.",
            "Add devices.csv with device_id, device_model, installed_at.",
        )
    return draft_spec(folder.name, tables, begun)


def find_tables(path: Path) -> dict[str, list[Path]]:
    """Files of each table, in the contract's order.

    Raises
    ------
    InputError
        If the path does not exist, holds no table, a data file that is named like none, or a table in a format that
        is not read.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Name a folder with files such as devices.csv.")
    named = {_table_of(path): [path]} if path.is_file() else _in_folder(path)
    if not named:
        raise InputError(
            f"{path} holds no table.", f"Put files such as devices.csv into it; tables: {', '.join(TABLES)}."
        )
    for name, files in named.items():
        if name not in TABLES:
            _refuse_folder_above(path, name)
            raise InputError(f"{files[0]} is named like no table.", suggestion(name, TABLES, "Tables"))
    return {table: named[table] for table in TABLES if table in named}


def _refuse_folder_above(path: Path, name: str) -> None:
    """Refuse a folder of which one folder holds the tables: it is one too high."""
    below = path / name
    if below.is_dir() and any(_table_of(entry) in TABLES for entry in below.iterdir()):
        raise InputError(f"The folder {below} is no table; it holds tables.", f"Import {below} in place of {path}.")


def _in_folder(folder: Path) -> dict[str, list[Path]]:
    """Data files by the table their name, or their folder's name, gives."""
    named: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        files = [entry] if is_readable(entry) else [file for file in sorted(entry.rglob("*")) if is_readable(file)]
        if files:
            named.setdefault(_table_of(entry), []).extend(files)
        elif entry.name.split(".")[0].lower() in TABLES:  # other files are no concern of ours
            raise InputError(
                f"{entry} holds no data in a format that is read.",
                f"Export it as one of {', '.join(SUFFIXES)}, or remove it.",
            )
    return named


def _table_of(path: Path) -> str:
    """Table a file or folder is named after, in any case; its own name where that is none."""
    name = stem_of(path)
    return name.lower() if name.lower() in TABLES else name


def _renamed(chunk: pd.DataFrame, table: str, file: Path, spec: FleetSpec) -> pd.DataFrame:
    """Columns under the contract's names, as the fleet spec maps them."""
    mapping = spec.table(table).columns
    absent = [column for column in mapping.values() if column not in chunk.columns]
    if absent:
        hint = suggestion(absent[0], map(str, chunk.columns), "Columns present")
        raise InputError(f"{file} has no column '{absent[0]}', which [tables.{table}.columns] names.", hint)
    return chunk.rename(columns={there: here for here, there in mapping.items()})


def _long_to_wide(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Long telemetry with a column per sensor; a repeated reading stays a row of its own, for the ingest to judge."""
    if table != "telemetry" or not set(LONG) <= set(frame.columns):
        return frame
    clocks = [name for name in ("device_id", "event_time", "available_at") if name in frame.columns]
    repeat = frame.groupby([*clocks, "sensor"], dropna=False, sort=False).cumcount()
    keyed = frame.assign(repeat=repeat).set_index([*clocks, "repeat", "sensor"])["value"]
    wide = keyed.unstack("sensor")  # noqa: PD010 - text values; pivot_table would try to average them
    return wide.reset_index().drop(columns="repeat").rename_axis(columns=None)


SOURCE: Final = Source("tables", "your own files, named like the contract's tables", read, draft, SECTIONS)
