"""Which columns of a batch are read as what; a batch that cannot be its table at all is refused here."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from aftercast.data.contract import TABLES, Table
from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.operations.errors import InputError

AVAILABLE: Final = "available_at"


@dataclass(frozen=True)
class Columns:
    """Columns of a batch by role: listed in the contract, sensors, attributes, and those left out."""

    listed: tuple[str, ...]
    sensors: tuple[str, ...]
    attributes: tuple[str, ...]
    ignored: tuple[str, ...]


def find_table(name: str) -> Table:
    """Return the contract of a table; raises InputError naming the nearest for an unknown one."""
    if name in TABLES:
        return TABLES[name]
    near = nearest(name, list(TABLES))
    raise InputError(
        f"There is no table '{name}'.", f"Did you mean '{near}'?" if near else f"Tables: {', '.join(TABLES)}."
    )


def nearest(name: str, names: list[str]) -> str | None:
    """Return the most similar name, None where nothing is similar."""
    found = difflib.get_close_matches(name.lower(), [other.lower() for other in names], n=1, cutoff=0.5)
    return next((other for other in names if found and other.lower() == found[0]), None)


def choose_columns(batch: Batch, table: Table, spec: FleetSpec) -> Columns:
    """Sort the columns of a batch by role.

    Raises
    ------
    InputError
        If the batch is empty, has a column twice, or lacks a required column or every sensor.
    """
    names = [str(name) for name in batch.frame.columns]
    _refuse_unreadable(batch, names)
    _demand_required(batch, table, names)
    listed = tuple(name for name in names if table.has(name))
    others = [name for name in names if not table.has(name)]
    public = [name for name in others if not name.startswith("_")]
    sensors = _sensors(batch, spec, public) if table.name == "telemetry" else ()
    attributes = tuple(public) if table.open and table.name != "telemetry" else ()
    used = {*sensors, *attributes}
    return Columns(listed, sensors, attributes, tuple(name for name in others if name not in used))


def _refuse_unreadable(batch: Batch, names: list[str]) -> None:
    if len(batch.frame) == 0:
        raise InputError(
            f"{batch.origin} holds no rows for table '{batch.table}'.",
            "Check that the export finished, or leave it out.",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{batch.origin} has the column '{twice[0]}' twice.", "Rename or remove one of them.")


def _demand_required(batch: Batch, table: Table, names: list[str]) -> None:
    missing = [name for name in table.required if name not in names]
    if not missing:
        return
    what = ", ".join(f"'{name}'" for name in missing)
    free = [name for name in names if not table.has(name)]
    guesses = [f'{name} = "{found}"' for name, found in _guesses(missing, free)]
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    hint = (
        f"If it is another name for it, write in fleet.toml: [columns.{table.name}] {'; '.join(guesses)}."
        if guesses
        else f"Name its column in fleet.toml under [columns.{table.name}], or add it."
    )
    raise InputError(
        f"{batch.origin}: table '{table.name}' needs the column {what}, which its {len(batch.frame):,} rows lack; "
        f"it has {shown}.",
        hint,
    )


def _guesses(missing: list[str], free: list[str]) -> Iterator[tuple[str, str]]:
    """For a missing column the most similar one that nothing else is read from; each is another one's once at most."""
    for name in missing:
        found = nearest(name, free)
        if found is not None:
            free = [other for other in free if other != found]
            yield name, found


def _sensors(batch: Batch, spec: FleetSpec, names: list[str]) -> tuple[str, ...]:
    if not spec.sensors:
        found = tuple(name for name in names if _is_numeric(batch, name))
    else:
        found = tuple(name for name in spec.sensor_names if name in names)
    if not found:
        wanted = ", ".join(spec.sensor_names[:8]) or "any numeric column"
        raise InputError(
            f"{batch.origin}: table 'telemetry' has no sensor in its {len(batch.frame):,} rows; "
            f"wanted {wanted}, found {', '.join(names[:8]) or 'no further column'}.",
            "Name its sensors in fleet.toml as [[sensors]], or map columns under [columns.telemetry].",
        )
    return found


def _is_numeric(batch: Batch, name: str) -> bool:
    return not bool(np.any(parse_cells(batch.frame[name], "float").unparsable))
