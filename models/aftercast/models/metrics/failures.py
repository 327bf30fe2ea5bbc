"""Metrics of failures: how many were announced, and how long before; a row metric hides both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aftercast.data.clocks import DAY_US, HOUR_US

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
    """

    owner: Ints
    cutoff_us: Ints
    failure: Ints
    failure_us: Ints
    known: Mask
    every_us: int

    @property
    def event(self) -> Mask:
        """Whether a failure follows within the horizon, shape (n,)."""
        return self.failure >= 0

    @property
    def device_months(self) -> float:
        """Time watched in device-months of 30 days."""
        return len(self.owner) * self.every_us / (30 * DAY_US)


def failure_metrics(rows: Rows, flagged: Mask) -> dict[str, Any]:
    """Metrics of the distinct failures (device, component, time) that have a scored cutoff in ``[t - H, t)``.

    A failure is found when any of those cutoffs was flagged; its lead time counts from the first of them. A cutoff
    announces the next failure only: one before an earlier failure of the component speaks of that one. A false alarm
    is a flagged row whose watched horizon holds no failure.

    Returns
    -------
    dict
        failures, found, recall_per_failure, median_lead_time_hours, false_alarms_per_device_month; None where
        undefined (no failure, none found, no rows).
    """
    total = len(rows.failure_us)
    hit = flagged & rows.event
    first = np.full(total, np.iinfo(np.int64).max)
    np.minimum.at(first, rows.failure[hit], rows.cutoff_us[hit])
    found = first < np.iinfo(np.int64).max
    lead = (rows.failure_us[found] - first[found]) / HOUR_US
    false = int((flagged & rows.known & ~rows.event).sum())
    return {
        "failures": total,
        "found": int(found.sum()),
        "recall_per_failure": float(found.mean()) if total > 0 else None,
        "median_lead_time_hours": float(np.median(lead)) if len(lead) > 0 else None,
        "false_alarms_per_device_month": false / rows.device_months if len(rows.owner) > 0 else None,
    }
