"""Which columns of a batch are read, as which kind; a batch that cannot be its table at all is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES, Kind, Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.validation.attributes import why_not_read
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.operations.errors import InputError
from aftercast.operations.spelling import nearest, suggestion

LOOKED_AT: Final = 100


def find_table(name: str) -> Table:
    """Return the contract of a table; raises InputError naming the nearest for an unknown one."""
    if name not in TABLES:
        raise InputError(f"There is no table '{name}'.", suggestion(name, TABLES, "Tables"))
    return TABLES[name]


def choose_columns(
    batch: Batch, table: Table, spec: FleetSpec, open_kinds: Mapping[str, Kind]
) -> dict[str, Kind | None]:
    """Return the columns that are read, with their kinds; None where the cells of an attribute decide its kind.

    They are the contract's columns, then sensors of telemetry, or of other open tables the attributes that the fleet
    spec names.

    Parameters
    ----------
    open_kinds
        Kinds in which attributes of this table are stored already.

    Raises
    ------
    InputError
        If the batch has a column twice, in other case too, or lacks a required column or every sensor.
    """
    names = [str(name) for name in batch.frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{batch.origin} has the column '{twice[0]}' twice.", "Rename or remove one of them.")
    _demand_required(batch, table, names)
    listed = {column.name: column.kind for column in table.columns}
    chosen: dict[str, Kind | None] = {name: listed[name] for name in names if name in listed}
    nested = [name for name in names if _holds_lists(batch.frame[name])]
    wrong = [name for name in nested if name in listed]
    if wrong:
        raise InputError(
            f"{batch.origin}: '{wrong[0]}' of table '{batch.table}' holds lists or records, not single values.",
            "Export it with one value a cell.",
        )
    others = [name for name in names if name not in listed and name not in nested and not name.startswith("_")]
    if table.name == "telemetry":
        chosen |= dict.fromkeys(_sensors(batch, spec, others), "float")
    elif table.open:
        named = spec.table(table.name).attributes
        chosen |= {name: open_kinds.get(name) for name in others if name in named and not unfit(batch, name)}
    _refuse_other_case(batch, chosen, open_kinds)
    return chosen


def unfit(batch: Batch, name: str) -> str | None:
    """Why a named attribute is not read, the end of a sentence that begins with "it holds"; None where it is."""
    return why_not_read(batch.frame[name])


def _refuse_other_case(batch: Batch, chosen: Mapping[str, Kind | None], stored: Mapping[str, Kind]) -> None:
    """Refuse columns whose names differ in case only, from each other or from a stored one: files hold one of them."""
    seen = {name.lower(): name for name in stored}
    for name in chosen:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise InputError(
                f"{batch.origin}: the columns '{other}' and '{name}' of table '{batch.table}' differ in case only.",
                f'If they are the same, write in fleet.toml: [tables.{batch.table}.columns] "{other}" = "{name}"; '
                "else give one of them another name there.",
            )


def _holds_lists(values: pd.Series) -> bool:
    """Whether the first cells that are there hold lists or records, as Parquet and JSON can."""
    if not pd.api.types.is_object_dtype(values.dtype):
        return False
    return any(isinstance(cell, list | tuple | dict | set | np.ndarray) for cell in values.dropna().head(LOOKED_AT))


def _demand_required(batch: Batch, table: Table, names: list[str]) -> None:
    missing = [name for name in table.required if name not in names]
    if not missing:
        return
    free = {name for name in names if not table.has(name)}
    guesses = []
    for name in missing:
        near = nearest(name, sorted(free))
        if near is not None:
            guesses.append(f'{name} = "{near}"')
            free.remove(near)  # one column of the file cannot be two of the table
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    hint = (
        f"If it is another name for it, write in fleet.toml: [tables.{table.name}.columns] {'; '.join(guesses)}."
        if guesses
        else f"Name its column in fleet.toml under [tables.{table.name}.columns], or add it."
    )
    what = ", ".join(f"'{name}'" for name in missing)
    raise InputError(
        f"{batch.origin}: table '{table.name}' needs the column {what}, which its {len(batch.frame):,} rows lack; "
        f"it has {shown}.",
        hint,
    )


def _sensors(batch: Batch, spec: FleetSpec, names: list[str]) -> list[str]:
    """Sensors of the fleet spec that the batch has; every numeric column where the spec names none."""
    if spec.sensors:
        found = [name for name in spec.sensor_names if name in names]
    else:
        found = [name for name in names if not parse_cells(batch.frame[name], "float").unparsable.any()]
    if not found:
        wanted = ", ".join(spec.sensor_names[:8]) or "any numeric column"
        raise InputError(
            f"{batch.origin}: table 'telemetry' has no sensor in its {len(batch.frame):,} rows; "
            f"wanted {wanted}, found {', '.join(names[:8]) or 'no further column'}.",
            "Name its sensors in fleet.toml as [[sensors]], or map columns under [tables.telemetry.columns].",
        )
    return found
