"""A batch: some rows of one table as a source read them, before anything was checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from aftercast.data.arrays import Mask


@dataclass(frozen=True)
class Fault:
    """Cells that the reader could not bring into the contract's writing, and why.

    Attributes
    ----------
    rows
        Shape (n,), True where the cell is at fault.
    reason, about
        Name of the reason for the quarantine, and what is wrong in words, without a value.
    """

    column: str
    rows: Mask
    reason: str
    about: str


@dataclass(frozen=True)
class Batch:
    """Rows of one table from one place.

    Attributes
    ----------
    table
        Name of the contract's table.
    frame
        One row per record; columns have the contract's names, values may still be text.
    origin
        File (or topic, or query) the rows come from, as people would name it.
    first_row
        Number of the first row within its origin, for messages.
    covers_until
        Instant (UTC) up to which the origin tells everything that happened; None where it does not say.
    one_by_one
        Whether each row came by itself: times without a zone are then each row's own fault, and not that of an origin
        of which no time has one.
    received_at
        Where rows that did not say when they became known were given the time of their arrival (UTC), that time.
    units
        Sensor -> unit in which this telemetry has it, where that is not the unit of the sensor.
    only_new
        Whether the rows stand for devices or customers that other rows name: those known already are passed over.
    faults
        Cells that cannot be read as the fleet spec says.
    """

    table: str
    frame: pd.DataFrame
    origin: str
    first_row: int = 1
    covers_until: pd.Timestamp | None = None
    one_by_one: bool = False
    received_at: pd.Timestamp | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    only_new: bool = False
