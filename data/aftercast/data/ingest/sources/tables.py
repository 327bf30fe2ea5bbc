"""Source ``tables``: the user's own data, a file, folder, sheet or query per table of the contract.

Layout: ``devices.csv``, ``failures.xlsx``, ``telemetry/part-0001.parquet`` and so on, names in any case, or as the
fleet spec says (``[tables.TABLE] file``, ``sheet``, ``query``). Columns have the contract's names or are mapped there.
Telemetry is wide (a column per sensor) or long (``device_id, event_time, sensor, value``).

Clocks: times carry their zone or the fleet spec names it; they are converted to UTC by the ingest. A table without
``available_at`` gets it there by the fleet spec's ``available_after``.

Derived: devices, numbers of orders and columns of one value, where the fleet spec asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pandas as pd

from aftercast.data.contract import TABLES, Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.files import Look, Place, look, name_of, read_chunks
from aftercast.data.ingest.files.cells import Writing, into_contract
from aftercast.data.ingest.files.reader import ROWS_AT_ONCE
from aftercast.data.ingest.files.workbooks import blank
from aftercast.data.ingest.sources.derived import DERIVED, Named, Numbering, with_fixed
from aftercast.data.ingest.sources.drafting import draft_spec
from aftercast.data.ingest.sources.parts import Part, find_parts
from aftercast.data.ingest.sources.source import NEW, Source
from aftercast.data.ingest.sources.telemetry_shapes import is_long, long_to_wide, refuse_unsaid_long
from aftercast.data.ingest.validation.units import convert_long
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import suggestion

SECTIONS: Final = ("sensors", "components", "fault_codes")


def read(place: Place, spec: FleetSpec) -> Iterator[Batch]:
    """Every table found, in the contract's order, its files by name; devices named by events before these."""
    named = [Named(owner, spec) for owner in DERIVED]
    for table, parts in find_parts(place, spec).items():
        numbering = Numbering()
        for part in parts:
            for batch in read_part(table, part, spec, numbering):
                for owners in named:
                    yield from owners.by(batch)
                yield batch


def draft(place: Place, begun: FleetSpec = NEW, /) -> FleetSpec:
    """Fleet spec drafted from a look at devices, telemetry, failures, repairs and faults."""
    parts = find_parts(place, begun)
    name = name_of(place) if isinstance(place, str) else (place if place.is_dir() else place.parent).resolve().name
    if begun is NEW and not {"devices", "customers"} & parts.keys():  # else they may have come before
        raise InputError(
            f"'{name}' has neither devices nor customers.",
            "Add devices.csv with device_id and device_model, or let `aftercast init DIR --source PATH` derive them.",
        )
    return draft_spec(name, lambda table: _first_rows(table, parts.get(table, []), begun), set(parts), begun)


def read_part(
    table: str, part: Part, spec: FleetSpec, numbering: Numbering | None = None, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[Batch]:
    """Batches of one part; one without rows where it has none but a header.

    Raises
    ------
    InputError
        If it cannot be read, or is not written as its settings say.
    """
    found = look(part.place, part.settings)
    if not found.names:
        raise InputError(f"{part.origin} is empty: it has no header.", "Leave the file out, or export it again.")
    contract, rows, writing = TABLES[table], 0, None
    for chunk in read_chunks(found, rows_at_once=rows_at_once):
        frame = _under_contract(chunk, contract, part, spec, first=rows == 0)
        writing = writing or _writing(found, frame, contract, part, spec)
        cells = into_contract(frame, writing)
        frame = with_fixed(cells.frame, part.settings)
        frame = (
            (numbering or Numbering()).number(frame, contract, part.settings.zone) if part.settings.numbered else frame
        )
        yield Batch(table, frame, part.origin, rows + 1, faults=cells.faults, units=part.settings.units)
        rows += len(chunk)
    if rows == 0:
        yield Batch(table, with_fixed(_renamed(blank(found.names), contract, part), part.settings), part.origin)


def first_rows(table: str, place: Place, spec: FleetSpec) -> pd.DataFrame:
    """First rows of a table of a place as an import reads them; empty where there is none."""
    return _first_rows(table, find_parts(place, spec).get(table, []), spec)


def _first_rows(table: str, parts: list[Part], spec: FleetSpec) -> pd.DataFrame:
    """Rows of the first chunks of the first parts, as an import would read them."""
    firsts = [next(read_part(table, part, spec)).frame for part in parts[:4]]
    return pd.concat(firsts, ignore_index=True) if firsts else pd.DataFrame()


def _under_contract(chunk: pd.DataFrame, table: Table, part: Part, spec: FleetSpec, *, first: bool) -> pd.DataFrame:
    frame = _renamed(chunk, table, part)
    if table.name != "telemetry":
        return frame
    if is_long(frame):
        return long_to_wide(convert_long(frame, spec) if "unit" in frame.columns else frame)
    if first:
        refuse_unsaid_long(frame, part.origin)
    return frame


def _renamed(chunk: pd.DataFrame, table: Table, part: Part) -> pd.DataFrame:
    """Columns under the contract's names: as the fleet spec maps them, else in any case and with blanks."""
    mapping = part.settings.columns
    absent = [column for column in mapping.values() if column not in chunk.columns]
    if absent:
        hint = suggestion(absent[0], map(str, chunk.columns), "Columns present")
        raise InputError(f"{part.origin} has no column '{absent[0]}', which [tables.{table.name}.columns] names.", hint)
    names = {there: here for here, there in mapping.items()}
    for name in map(str, chunk.columns):
        like = "_".join(name.lower().split())
        if name not in names and like != name and table.has(like) and like not in {*chunk.columns, *names.values()}:
            names[name] = like
    return chunk.rename(columns=names)


def _writing(found: Look, frame: pd.DataFrame, table: Table, part: Part, spec: FleetSpec) -> Writing:
    """How cells are written, from the settings and the first chunk."""
    numbers = [
        str(name)
        for name in frame.columns
        if (column := table.column(str(name))) is None or column.kind in {"float", "int"}
    ]
    styles = found.styles(frame[numbers])
    if len(styles) > 1:
        raise InputError(
            f"{part.origin}: numbers such as 1{styles[0][0]}234 may mean 1234 or 1.234.",
            f'Write in fleet.toml: [tables.{table.name}] decimal = ",", or thousands = ",".',
        )
    return Writing(table, spec, part.settings, styles[0], found.format)


SOURCE: Final = Source("tables", "your own files, named like the contract's tables", read, draft, SECTIONS)
