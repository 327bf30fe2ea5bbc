"""Labels: how long after the cutoff each component failed (or the customer left), and how long that was observed.

Labels look at ``(T, T + h]`` and at nothing after ``observed_until``, or after the end of the table that would have
told. What was not followed is censored, never healthy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from aftercast.data.arrays import Ints, Mask, Positions
from aftercast.features.event_table import EventTable
from aftercast.features.examples import Examples
from aftercast.features.failure_events import failure_records, is_in
from aftercast.features.outcome import Outcome, final_versions, last_fact, load_outcome
from aftercast.features.windows.events import next_event
from aftercast.operations.clocks import NEVER, parse_duration_us, timestamp_us
from aftercast.operations.errors import LookAheadError

__all__ = ["Labels", "Outcome", "churn_labels", "failure_labels", "load_outcome"]


@dataclass(frozen=True)
class Labels:
    """Labels of n examples for C components; an interval (a, b] holds an event iff ``a < time_to_event <= b``.

    Attributes
    ----------
    time_to_event_us
        Shape (n, C), microseconds from the cutoff, > 0; NEVER where no event was seen during the follow-up.
    follow_up_us
        Shape (n, C): how long the row was observed for that component; an event at its very end is observed. 0 where
        ``valid`` is False.
    components
        Names of the C columns.
    valid
        Shape (n,): False where the device had retired, or the customer left, by the cutoff, which was not known then.
        Such a row is scored in life but teaches nothing: none of its intervals is known.
    """

    time_to_event_us: Ints
    follow_up_us: Ints
    components: tuple[str, ...]
    valid: Mask

    def take(self, rows: Mask | Positions) -> Labels:
        """Return the labels of the chosen rows."""
        return Labels(self.time_to_event_us[rows], self.follow_up_us[rows], self.components, self.valid[rows])

    def event_within(self, start_us: int, end_us: int) -> Mask:
        """Whether an event was seen in (start, end] from the cutoff, shape (n, C)."""
        return np.asarray((self.time_to_event_us > start_us) & (self.time_to_event_us <= end_us))

    def known_within(self, end_us: int) -> Mask:
        """Whether it is known what happened in (0, end] from the cutoff, shape (n, C)."""
        return np.asarray(self.event_within(0, end_us) | (self.follow_up_us >= end_us))


def failure_labels(outcome: Outcome, examples: Examples, *, observed_until: pd.Timestamp) -> Labels:
    """Time to the next failure of each component of the spec.

    The follow-up of a row ends at ``observed_until``, where the table of failures ends, when the device retires, or,
    for its component, when a proactive work order is opened (for all components where it names none): our own visits
    hide what would have happened.

    Raises
    ------
    LookAheadError
        If a cutoff is not before ``observed_until``.
    """
    _require_observed(examples, observed_until)
    history, spec = outcome.devices, outcome.spec
    offsets = examples.offsets(history.device_ids)
    retired = np.repeat(last_fact(history.devices, "retired_at"), np.diff(offsets))
    end = np.minimum(retired, timestamp_us(outcome.until(spec.failures_from, observed_until)))
    repairs = final_versions(history.repairs)
    records, failed = failure_records(spec, final_versions(history.failures), repairs)
    treated = is_in(repairs.columns["kind"], ("proactive",))
    unnamed = np.asarray(pd.isna(repairs.columns["component"]), dtype=bool)
    events, ends = [], []
    for component in spec.component_names:
        own = is_in(records.columns["component"], (component,))
        visits = treated & (is_in(repairs.columns["component"], (component,)) | unnamed)
        events.append(_next(records, failed & own, offsets, examples))
        ends.append(np.minimum(end, _next(repairs, visits, offsets, examples)))
    return _labels(examples, events, ends, spec.component_names)


def churn_labels(outcome: Outcome, examples: Examples, *, observed_until: pd.Timestamp) -> Labels:
    """Time until the customer leaves, one column "left".

    With rule "left_at" leaving is dated by the customers table. With "inactivity" it is dated that long after a
    purchase (or after ``since`` where there is none) which no other purchase followed within it, and known then. The
    follow-up ends at ``observed_until``, or where the table that tells of leaving ends.

    Raises
    ------
    LookAheadError
        If a cutoff is not before ``observed_until``.
    """
    _require_observed(examples, observed_until)
    history, settings = outcome.customers, outcome.spec.churn
    offsets = examples.offsets(history.customer_ids)
    if settings.rule == "left_at":
        left = np.repeat(last_fact(history.customers, "left_at"), np.diff(offsets))
    else:
        span = parse_duration_us(settings.inactivity)
        left = _inactive(outcome, offsets, examples, span)
    table = "customers" if settings.rule == "left_at" else "purchases"
    end = np.full(len(examples), timestamp_us(outcome.until(table, observed_until)))
    gone = left <= examples.cutoff_us
    end[gone] = examples.cutoff_us[gone]
    return _labels(examples, [left], [end], ("left",))


def _inactive(outcome: Outcome, offsets: Ints, examples: Examples, span_us: int) -> Ints:
    """When each customer turns inactive for the first time after the last purchase at or before the cutoff."""
    history = outcome.customers
    purchases = final_versions(history.purchases)
    since = last_fact(history.customers, "since")
    left = np.empty(len(examples), dtype=np.int64)
    for owner in range(len(offsets) - 1):
        rows = slice(offsets[owner], offsets[owner + 1])
        bought = purchases.event_us[purchases.offsets[owner] : purchases.offsets[owner + 1]]
        active = np.unique(np.append(bought, since[owner]))
        lapses = np.append(np.diff(active) > span_us, True)
        moments = active[lapses] + span_us
        last = np.searchsorted(active, examples.cutoff_us[rows], side="right") - 1
        left[rows] = moments[np.searchsorted(moments, active[np.maximum(last, 0)], side="right")]
    return left


def _require_observed(examples: Examples, observed_until: pd.Timestamp) -> None:
    beyond = int((examples.cutoff_us >= timestamp_us(observed_until)).sum())
    if beyond > 0:
        raise LookAheadError(
            f"{beyond} of {len(examples)} cutoffs are not before {observed_until}, where observation ends.",
            "Ask for labels of earlier cutoffs only.",
        )


def _next(records: EventTable, mask: Mask, offsets: Ints, examples: Examples) -> Ints:
    chosen = records.take(mask)
    return np.asarray(next_event(chosen.offsets, chosen.event_us, offsets, examples.cutoff_us), dtype=np.int64)


def _labels(examples: Examples, events: list[Ints], ends: list[Ints], components: tuple[str, ...]) -> Labels:
    shape = (len(examples), len(components))
    event = np.stack(events, axis=1) if events else np.empty(shape, dtype=np.int64)
    end = np.stack(ends, axis=1) if ends else np.empty(shape, dtype=np.int64)
    cutoff = examples.cutoff_us[:, None]
    follow_up = np.maximum(end - cutoff, 0)
    seen = (event <= end) & (event > cutoff) & (follow_up > 0)
    time_to_event = np.where(seen, event - cutoff, NEVER)
    return Labels(time_to_event, follow_up, components, (follow_up > 0).all(axis=1))
