"""Outcome: what happened after the cutoffs, for labels only; features never read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.event_table import Records
from aftercast.features.history import Frames, History, Reads
from aftercast.features.windows.arrays import Ints
from aftercast.operations.clocks import NEVER

OUTCOME_TABLES: Final = ("devices", "failures", "repairs", "customers", "purchases", "contacts")


@dataclass(frozen=True)
class Outcome:
    """What is known about events as of one moment, later corrections included.

    Attributes
    ----------
    devices, customers
        Records as they were known when the outcome was loaded; only the last version of a fact counts.
    """

    spec: FleetSpec
    devices: History
    customers: CustomerHistory

    @staticmethod
    def from_frames(spec: FleetSpec, frames: Frames, *, known_at: pd.Timestamp | None = None) -> Outcome:
        """Outcome of contract frames by table name, without rows that became available after ``known_at``."""
        outcome = Outcome(spec, History.from_frames(spec, frames), CustomerHistory.from_frames(spec, frames))
        if known_at is None:
            return outcome
        return Outcome(spec, outcome.devices.known_at(known_at), outcome.customers.known_at(known_at))


def load_outcome(
    store: Reads, spec: FleetSpec, *, version: int | None = None, known_at: pd.Timestamp | None = None
) -> Outcome:
    """Outcome as a version of the store holds it.

    Parameters
    ----------
    known_at
        For labels that train a model at time T give T: a failure reported after T was no label then.
    """
    frames = {table: store.read(table, version=version, known_at=known_at) for table in OUTCOME_TABLES}
    return Outcome.from_frames(spec, frames)


def final_versions(records: Records) -> Records:
    """Last version of each fact."""
    return records.take(records.visible.until == NEVER)


def last_fact(records: Records, column: str) -> Ints:
    """Time in the last version of each owner's standing facts, NEVER where there is none, shape (owners,)."""
    values = pd.Series(records.columns[column], dtype="int64").groupby(records.owner).last()
    return values.reindex(range(len(records.offsets) - 1), fill_value=NEVER).to_numpy()
