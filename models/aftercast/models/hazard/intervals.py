"""Rows of one interval and component: who was at risk in it, who failed, and for how long the others were watched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aftercast.features.labels import Labels
from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.operations.clocks import NEVER


@dataclass(frozen=True)
class IntervalRows:
    """Rows that teach one hazard.

    Attributes
    ----------
    rows
        Positions among the examples, shape (m,).
    event
        Whether the component failed in the interval, shape (m,).
    weight
        1 for a failure, else the share of the interval that was watched, in (0, 1], shape (m,).
    """

    rows: npt.NDArray[np.intp]
    event: Mask
    weight: Floats

    @property
    def events(self) -> int:
        """Failures among the rows."""
        return int(self.event.sum())

    @property
    def rate(self) -> float:
        """Hazard without features, Jeffreys prior: (failures + 1/2) / (rows watched + 1); never 0 or 1."""
        return (self.events + 0.5) / (float(self.weight.sum()) + 1.0)

    def without(self, left_out: Mask) -> IntervalRows:
        """Rows whose example is not left out; ``left_out`` has one value for each of all examples."""
        kept = ~left_out[self.rows]
        return IntervalRows(self.rows[kept], self.event[kept], self.weight[kept])

    def sampled(self, most: int, seed: int) -> IntervalRows:
        """At most about so many rows: all failures, and negatives weighted by the inverse of their share."""
        if len(self.rows) <= most:
            return self
        share = max(most - self.events, 1) / (len(self.rows) - self.events)
        kept = self.event | (np.random.default_rng(seed).random(len(self.rows)) < share)
        weight = np.where(self.event, self.weight, self.weight / share)
        return IntervalRows(self.rows[kept], self.event[kept], weight[kept])


def interval_rows(labels: Labels, component: int, start_us: int, end_us: int) -> IntervalRows:
    """Rows at risk in (start, end] for a component: no failure in (0, start], and watched beyond start.

    A row whose follow-up ends inside the interval without a failure is neither healthy nor lost: it counts as a
    negative weighted by the share it was watched. To the first order in the hazard that is the exposure of a
    piecewise exponential model (Holford 1980), and unlike "keep it only if it failed" it does not raise the rate.
    """
    time, watched = labels.time_to_event_us[:, component], labels.follow_up_us[:, component]
    rows = np.flatnonzero(labels.valid & (time > start_us) & (watched > start_us))
    event = time[rows] <= end_us
    exposure = (np.minimum(watched[rows], end_us) - start_us) / (end_us - start_us)
    return IntervalRows(rows, event, np.where(event, 1.0, exposure))


def censor(labels: Labels, cutoff_us: Ints, at_us: int) -> Labels:
    """Labels as somebody at a moment could know them: follow-up ends there, later events were not seen.

    So no label window reaches beyond the moment, whatever the horizon.
    """
    left = np.maximum(at_us - cutoff_us, 0)[:, None]
    follow_up = np.minimum(labels.follow_up_us, left)
    time = np.where(labels.time_to_event_us <= left, labels.time_to_event_us, NEVER)
    return Labels(time, follow_up, labels.components, labels.valid & (left[:, 0] > 0))
