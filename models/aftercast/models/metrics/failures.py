"""Metrics of failures: how many were announced, and how long before; a row metric hides both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aftercast.features.windows.arrays import compiled
from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER


@dataclass(frozen=True)
class Rows:
    """Rows of forecasts and what became of them.

    Attributes
    ----------
    owner, cutoff_us
        Number of the device and cutoff of each row, shape (n,).
    failure
        Number of the failure that follows within the horizon, -1 where none does, shape (n,).
    failure_us
        When each failure happened, shape (F,).
    known
        Whether the whole horizon was watched, or a failure seen in it, shape (n,).
    every_us
        Time between cutoffs: a row stands for so much time of one device.
    covers_us
        How long an alarm's visit lasts: alarms of a device within it are the same visit; 0: each alarm is one.
    act_within_us
        Time needed to act: a failure counts as found by alarms at least that long before it.
    """

    owner: Ints
    cutoff_us: Ints
    failure: Ints
    failure_us: Ints
    known: Mask
    every_us: int
    covers_us: int = 0
    act_within_us: int = 0

    @cached_property
    def event(self) -> Mask:
        """Whether a failure follows within the horizon, shape (n,)."""
        return self.failure >= 0

    @cached_property
    def in_time(self) -> Mask:
        """Whether a failure follows within the horizon and there is time to act, shape (n,)."""
        lead = np.full(len(self.failure), -1, dtype=np.int64)
        lead[self.event] = self.failure_us[self.failure[self.event]] - self.cutoff_us[self.event]
        return self.event & (lead >= self.act_within_us)

    @cached_property
    def failure_owner(self) -> Ints:
        """Number of the device of each failure, shape (F,)."""
        owner = np.empty(len(self.failure_us), dtype=np.int64)
        owner[self.failure[self.event]] = self.owner[self.event]
        return owner

    @cached_property
    def cutoff_number(self) -> Ints:
        """Number of the cutoff of each row, ascending by time, shape (n,)."""
        return np.unique(self.cutoff_us, return_inverse=True)[1].astype(np.int64)

    @property
    def device_months(self) -> float:
        """Time of the known rows in device-months of 30 days."""
        return int(self.known.sum()) * self.every_us / (30 * DAY_US)


@dataclass(frozen=True)
class Alarms:
    """Alarms at some of n rows, from which metrics are computed.

    A failure is found when a cutoff in ``[t - H, t)``, at least ``act_within_us`` before it, has an alarm. A cutoff
    announces the next failure only: one before an earlier failure of the component speaks of that one. A false alarm is
    one whose watched horizon holds no failure; alarms of a device that fall into one visit (see :func:`visits`) are one
    false visit.

    Attributes
    ----------
    chance
        Chance of an alarm at each row, shape (n,): 0 or 1 where it is certain.
    failure_owner
        Number of the device of each failure, shape (F,).
    """

    rows: Rows
    chance: Floats
    failure_owner: Ints

    @staticmethod
    def certain(rows: Rows, flagged: Mask) -> Alarms:
        """Alarms at the rows that are flagged."""
        return Alarms(rows, flagged.astype(np.float64), rows.failure_owner)

    @cached_property
    def spent(self) -> Floats:
        """Alarms whose outcome is known, shape (n,)."""
        return self.chance * self.rows.known

    @cached_property
    def true(self) -> Floats:
        """Alarms that an event follows, shape (n,)."""
        return self.spent * self.rows.event

    @cached_property
    def false(self) -> Floats:
        """Alarms that no event follows, shape (n,)."""
        return self.spent * ~self.rows.event

    @cached_property
    def found(self) -> Floats:
        """Chance that each failure is found, shape (F,)."""
        missed = np.ones(len(self.rows.failure_us))
        in_time = self.rows.in_time
        np.multiply.at(missed, self.rows.failure[in_time], 1.0 - self.chance[in_time])
        return 1.0 - missed

    @cached_property
    def false_visits(self) -> Floats:
        """Visits whose watched horizon holds no failure, shape (n,)."""
        return visits(self.rows, self.chance) * (self.rows.known & ~self.rows.event)

    def median_lead_time_hours(self) -> float | None:
        """Median time from the first certain alarm to the failure, of the failures that one was in time for."""
        lead = lead_times(self.rows, self.chance == 1.0)
        lead = lead[~np.isnan(lead)]
        return float(np.median(lead)) if len(lead) > 0 else None


def lead_times(rows: Rows, flagged: Mask) -> Floats:
    """Hours from the first flagged cutoff of each failure to it, shape (F,); NaN where none was in time to act."""
    hit = flagged & rows.in_time
    first = np.full(len(rows.failure_us), NEVER)
    np.minimum.at(first, rows.failure[hit], rows.cutoff_us[hit])
    return np.where(first < NEVER, (rows.failure_us - first) / HOUR_US, np.nan)


def visits(rows: Rows, chance: Floats | Mask) -> Floats:
    """Chance that someone is sent at each row, shape (n,), for the chance of an alarm at each.

    A visit at cutoff T answers the alarms of its device in ``[T, T + covers_us)``, or until the failure that follows T
    if that comes first: who is sent for a risk within a week is not sent again each day of it.
    """
    chances = np.asarray(chance, dtype=np.float64)
    return np.asarray(visit_chances(rows.owner, rows.cutoff_us, chances, visit_ends(rows)))


def visit_ends(rows: Rows) -> Ints:
    """Instant at which a visit of each row would end, microseconds, shape (n,)."""
    ends = rows.cutoff_us + rows.covers_us
    ends[rows.event] = np.minimum(ends[rows.event], rows.failure_us[rows.failure[rows.event]])
    return ends


@compiled
def visit_chances(owner: Ints, cutoff_us: Ints, chance: Floats, end_us: Ints) -> Floats:
    """Chance that someone is sent at each row, shape (n,), where each row is flagged with a chance of its own.

    Rows ascend by owner, then cutoff; alarms are independent. A device has one visit at a time: of the visits that
    began before a row at most one lasts to it, so their chances add up.
    """
    visits = np.zeros(len(owner))
    longest = 0
    for i in range(len(owner)):
        longest = max(longest, end_us[i] - cutoff_us[i])
    for i in range(len(owner)):
        busy = 0.0
        j = i - 1
        while j >= 0 and owner[j] == owner[i] and cutoff_us[j] + longest > cutoff_us[i]:
            if end_us[j] > cutoff_us[i]:
                busy += visits[j]
            j -= 1
        visits[i] = chance[i] * (1.0 - busy)
    return visits
