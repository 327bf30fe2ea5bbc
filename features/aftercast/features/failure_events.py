"""What counts as a failure, a renewal and a fruitless visit; the one place that reads repairs and failures for it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from aftercast.data.arrays import Ints, Mask
from aftercast.data.fleet import FleetSpec
from aftercast.features.event_table import EventTable
from aftercast.features.history import History
from aftercast.features.windows.arrays import Visible, select
from aftercast.operations.clocks import NEVER

RENEWING: Final = ("corrective", "preventive", "proactive")
NOT_RENEWED: Final = ("no_fault_found", "customer_education")


def is_in(values: npt.NDArray[np.object_], names: tuple[str, ...]) -> Mask:
    """Where a text column holds one of the names, shape (n,)."""
    return np.asarray(np.isin(values.astype(np.str_), names), dtype=bool)


def failure_mask(repairs: EventTable) -> Mask:
    """Where a work order stands for a failure: corrective, and not found to be no fault."""
    kinds, outcomes = repairs.columns["kind"], repairs.columns["outcome"]
    return is_in(kinds, ("corrective",)) & ~is_in(outcomes, ("no_fault_found",))


def failure_records(spec: FleetSpec, failures: EventTable, repairs: EventTable) -> tuple[EventTable, Mask]:
    """Table that holds the failures of a fleet, and which of its rows are failures (``spec.failures_from``)."""
    if spec.failures_from == "failures":
        return failures, np.ones(len(failures.event_us), dtype=bool)
    return repairs, failure_mask(repairs)


def failures_of(history: History, component: str | None = None) -> Visible:
    """Visible failures, of one component or of all."""
    records, mask = failure_records(history.spec, history.failures, history.repairs)
    if component is not None:
        mask = mask & is_in(records.columns["component"], (component,))
    return select(records.visible, mask)


def renewals_of(history: History, component: str) -> tuple[Visible, Ints]:
    """Visible work orders that renewed a component, and when: at closing where that is known, else at opening."""
    repairs = history.repairs
    columns = repairs.columns
    mask = is_in(columns["component"], (component,)) & is_in(columns["kind"], RENEWING)
    mask &= ~is_in(columns["outcome"], NOT_RENEWED)
    closed = columns["closed_at"]
    done = np.where(closed == NEVER, repairs.event_us, closed)
    return select(repairs.visible, mask), done[mask]
