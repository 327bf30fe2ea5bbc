"""Outcome: what happened after the cutoffs, for labels only; features never read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import cached_property

import numpy as np
import pandas as pd

from aftercast.data.arrays import Ints
from aftercast.data.fleet import FleetSpec
from aftercast.features.customer_history import CUSTOMER_TABLES, SERVICE_TABLES, CustomerHistory
from aftercast.features.event_table import EventTable
from aftercast.features.history import Frames, History, Reads
from aftercast.operations.clocks import NEVER, from_us, parse_time


class Outcome:
    """What is known about events as of one moment, later corrections included; only the last version of a fact counts.

    What labels of one kind need is loaded when they are asked for.

    Parameters
    ----------
    devices, customers
        Make the histories as they were known at the moment.
    followed
        Table -> until when it tells what happened (UTC); no limit for tables that are not named.
    declared
        Tables of which that was said. The others are followed as far as their last row, as known at the moment.
    """

    def __init__(
        self,
        spec: FleetSpec,
        devices: Callable[[], History],
        customers: Callable[[], CustomerHistory],
        followed: Mapping[str, pd.Timestamp] | None = None,
        declared: Set[str] = frozenset(),
    ) -> None:
        self.spec = spec
        self.followed = followed or {}
        self.declared = declared
        self._devices = devices
        self._customers = customers

    @cached_property
    def devices(self) -> History:
        """Devices, failures and repairs."""
        return self._devices()

    @cached_property
    def customers(self) -> CustomerHistory:
        """Customers and purchases."""
        return self._customers()

    def known_at(self, moment: pd.Timestamp) -> Outcome:
        """Outcome without rows that became available after a moment."""
        return Outcome(
            self.spec,
            lambda: self.devices.known_at(moment),
            lambda: self.customers.known_at(moment),
            self.followed,
            self.declared,
        )

    def until(self, table: str, observed_until: pd.Timestamp) -> pd.Timestamp:
        """Until when a table tells what happened: at most as far as the world was observed (UTC)."""
        end = min(observed_until, self.followed.get(table, observed_until))
        last = self._last(table) if table in self.followed and table not in self.declared else None
        return end if last is None else min(end, last)

    def _last(self, table: str) -> pd.Timestamp | None:
        """Time of the last row of a table that is known; None without any."""
        records = getattr(self.devices if table in SERVICE_TABLES else self.customers, table)
        times = [records.available_us if table == "customers" else records.event_us]
        if table == "repairs":
            times.append(records.columns["closed_at"])
        known = np.concatenate(times)
        known = known[known != NEVER]
        return None if len(known) == 0 else from_us(np.array([known.max()]))[0]

    @staticmethod
    def from_frames(
        spec: FleetSpec,
        frames: Frames,
        *,
        known_at: pd.Timestamp | None = None,
        followed: Mapping[str, pd.Timestamp] | None = None,
    ) -> Outcome:
        """Outcome of contract frames by table name, without rows that became available after ``known_at``."""
        outcome = Outcome(
            spec, lambda: History.from_frames(spec, frames), lambda: CustomerHistory.from_frames(spec, frames), followed
        )
        return outcome if known_at is None else outcome.known_at(known_at)


def load_outcome(
    store: Reads, spec: FleetSpec, *, version: int | None = None, known_at: pd.Timestamp | None = None
) -> Outcome:
    """Outcome as a version of the store holds it.

    Parameters
    ----------
    version
        The newest by default, as it is when this is called.
    known_at
        For labels that train a model at time T give T: a failure reported after T was no label then.
    """
    version = store.version() if version is None else version

    def frames(tables: tuple[str, ...]) -> Frames:
        return {table: store.read(table, version=version, known_at=known_at) for table in tables}

    return Outcome(
        spec,
        lambda: History.from_frames(spec, frames(SERVICE_TABLES)),
        lambda: CustomerHistory.from_frames(spec, frames(CUSTOMER_TABLES)),
        followed_of(store, spec, version),
        {*store.declared(version), *(name for name, each in spec.tables.items() if each.followed_until)},
    )


def followed_of(store: Reads, spec: FleetSpec, version: int | None = None) -> dict[str, pd.Timestamp]:
    """Until when each table tells what happened (UTC), as the fleet spec says, else as it is stored."""
    found = store.followed(version)
    for name, settings in spec.tables.items():
        if settings.followed_until == "observed":
            found.pop(name, None)
        elif settings.followed_until:
            found[name] = parse_time(settings.followed_until)
    return found


def final_versions(records: EventTable) -> EventTable:
    """Last version of each fact."""
    return records.take(records.visible.until == NEVER)


def last_fact(records: EventTable, column: str) -> Ints:
    """Time in the last version of each owner's standing facts, NEVER where there is none, shape (owners,)."""
    values = pd.Series(records.columns[column], dtype="int64").groupby(records.owner).last()
    return values.reindex(range(len(records.offsets) - 1), fill_value=NEVER).to_numpy()
