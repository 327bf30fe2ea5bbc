"""A batch under validation, and what is found wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.contract import Table
from aftercast.data.fleet import FleetSpec

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Finding:
    """Rows (or cells of one column) that break the contract for one reason.

    Attributes
    ----------
    rows
        Shape (n,), True where a row breaks it.
    column
        The column at fault; empty where it is the whole row.
    about
        What is wrong, in words, without a value.
    cell_only
        The cell becomes missing and its row stays, unless nothing else is left of the row.
    """

    reason: str
    rows: Mask
    column: str
    about: str
    cell_only: bool = False


@dataclass
class Draft:
    """A batch under validation.

    Attributes
    ----------
    raw
        The rows as they came, for the quarantine; same index as ``frame``.
    frame
        The typed rows.
    cleared
        Shape (n,), True where a cell was taken out of the row already.
    sensors
        Sensor columns, telemetry only.
    known
        Per id column (``device_id``, ``customer_id``) the ids that exist.
    now
        When the rows came (UTC); None where somebody else judges whether they lie in the future.
    """

    table: Table
    spec: FleetSpec
    raw: pd.DataFrame
    frame: pd.DataFrame
    cleared: Mask
    sensors: tuple[str, ...] = ()
    known: Mapping[str, Set[str]] = field(default_factory=dict)
    now: pd.Timestamp | None = None


def unknown_ids(draft: Draft, column: str) -> Mask:
    """Rows whose id is present but not known, shape (n,)."""
    codes, ids = pd.factorize(draft.frame[column])
    known = draft.known.get(column, frozenset())
    unknown = np.array([str(name) not in known for name in ids] + [False], dtype=bool)
    return unknown[codes]
