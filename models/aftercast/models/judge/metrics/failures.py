"""Metrics of failures: how many were announced, and how long before; a row metric hides both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from aftercast.features.windows.arrays import compiled
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Scored rows and what became of them.

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


def failure_metrics(rows: Rows, flagged: Mask) -> dict[str, Any]:
    """Metrics of the distinct failures (device, component, time) that have a scored cutoff in ``[t - H, t)``.

    A failure is found when any of those cutoffs was flagged, at least ``act_within_us`` before it; its lead time counts
    from the first of them. A cutoff announces the next failure only: one before an earlier failure of the component
    speaks of that one. A false alarm is a flagged row whose watched horizon holds no failure; they are counted per time
    of the rows that were watched. Alarms of a device that fall into one visit (see ``visits``) are one false visit.

    Returns
    -------
    dict
        failures, found, recall_per_failure, median_lead_time_hours, false_alarms_per_device_month,
        false_visits_per_1000_device_months; None where undefined (no failure, none found, no known rows).
    """
    lead = lead_times(rows, flagged)
    found = ~np.isnan(lead)
    needless = rows.known & ~rows.event
    months = rows.device_months if rows.known.any() else None
    visits = visited(rows, flagged) & needless
    return {
        "failures": len(lead),
        "found": int(found.sum()),
        "recall_per_failure": float(found.mean()) if len(lead) > 0 else None,
        "median_lead_time_hours": float(np.median(lead[found])) if found.any() else None,
        "false_alarms_per_device_month": None if months is None else int((flagged & needless).sum()) / months,
        "false_visits_per_1000_device_months": None if months is None else 1000 * int(visits.sum()) / months,
    }


def lead_times(rows: Rows, flagged: Mask) -> Floats:
    """Hours from the first flagged cutoff of each failure to it, shape (F,); NaN where none was in time to act."""
    hit = flagged & rows.in_time
    first = np.full(len(rows.failure_us), NEVER)
    np.minimum.at(first, rows.failure[hit], rows.cutoff_us[hit])
    return np.where(first < NEVER, (rows.failure_us - first) / HOUR_US, np.nan)


def visited(rows: Rows, flagged: Mask) -> Mask:
    """Flagged rows at which someone is sent, shape (n,).

    A visit at cutoff T answers the alarms of its device in ``[T, T + covers_us)``, or until the failure that follows T
    if that comes first: who is sent for a risk within a week is not sent again each day of it.
    """
    return np.asarray(visit_rows(rows.owner, rows.cutoff_us, flagged, visit_ends(rows)))


def visit_ends(rows: Rows) -> Ints:
    """Instant at which a visit of each row would end, microseconds, shape (n,)."""
    ends = rows.cutoff_us + rows.covers_us
    ends[rows.event] = np.minimum(ends[rows.event], rows.failure_us[rows.failure[rows.event]])
    return ends


@compiled
def visit_rows(owner: Ints, cutoff_us: Ints, flagged: Mask, end_us: Ints) -> Mask:
    """Kernel of :func:`visited`; rows ascend by owner, then cutoff."""
    visits = np.zeros(len(owner), dtype=np.bool_)
    last, until = -1, 0
    for i in range(len(owner)):
        if flagged[i] and (owner[i] != last or cutoff_us[i] >= until):
            visits[i] = True
            last, until = owner[i], end_us[i]
    return visits


@compiled
def visit_chances(owner: Ints, cutoff_us: Ints, chance: Floats, end_us: Ints) -> Floats:
    """Chance that someone is sent at each row, shape (n,), where each row is flagged with a chance of its own.

    Flags are independent and a device has one visit at a time: of the visits that began before a row at most one lasts
    to it, so that their chances add up. With chances of 0 and 1 it is :func:`visit_rows`. Ends of visits never fall
    from one row of a device to the next.
    """
    visits = np.zeros(len(owner))
    for i in range(len(owner)):
        busy = 0.0
        j = i - 1
        while j >= 0 and owner[j] == owner[i] and end_us[j] > cutoff_us[i]:
            busy += visits[j]
            j -= 1
        visits[i] = chance[i] * (1.0 - busy)
    return visits
