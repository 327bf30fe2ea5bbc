"""Evaluation of forecasts at one horizon: by component and for any of them, by row and by failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from aftercast.features.examples import Examples
from aftercast.features.labels import Labels
from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.metrics.bootstrap import Interval, intervals
from aftercast.models.metrics.budgets import budget_draws, budget_metrics
from aftercast.models.metrics.failures import Rows
from aftercast.models.metrics.rows import Sorted
from aftercast.models.metrics.table import alarm_draws, alarm_metrics, ranked_metrics, row_draws, row_metrics
from aftercast.models.metrics.visit_rates import at_least
from aftercast.operations.clocks import NEVER

ALL: Final = "all"


@dataclass(frozen=True)
class Truth:
    """What became of the examples within the horizon.

    Attributes
    ----------
    examples, labels
        n aligned rows.
    every_us
        Time between cutoffs.
    act_within_us
        Time needed to act: an alert less than that before the failure finds nothing.
    """

    examples: Examples
    labels: Labels
    horizon_us: int
    every_us: int
    act_within_us: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Components, then "all": any of them."""
        return (*self.labels.components, ALL)

    @cached_property
    def owner(self) -> Ints:
        """Number of the device or customer of each row in the order of their ids, shape (n,)."""
        return self.examples.owner

    def rows(self, name: str) -> Rows:
        """Rows of one component, or of "all", whose failures are those of every component."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Rows]:
        every = range(len(self.labels.components))
        return {name: self._rows(every if name == ALL else [self.labels.components.index(name)]) for name in self.names}

    def _rows(self, parts: Sequence[int]) -> Rows:
        time = self.labels.time_to_event_us[:, parts].min(axis=1)
        watched = self.labels.follow_up_us[:, parts].min(axis=1)
        event = time <= self.horizon_us
        known = self.labels.valid & (event | (watched >= self.horizon_us))
        moment = self.examples.cutoff_us + np.where(event, time, 0)
        number, moments = failure_numbers(self.owner, moment, event & known)
        return Rows(
            self.owner,
            self.examples.cutoff_us,
            number,
            moments,
            known,
            self.every_us,
            covers_us=self.horizon_us,
            act_within_us=self.act_within_us,
        )


def evaluate(truth: Truth, probability: Floats, thresholds: Floats) -> dict[str, dict[str, Any]]:
    """Every metric of a forecast by component and for "all".

    Parameters
    ----------
    probability
        Shape (n, C + 1): within the horizon, by component, last any component.
    thresholds
        Shape (C + 1,), or (n, C + 1) where a model was trained anew for each cutoff; NaN where there is none.

    Returns
    -------
    dict
        name -> n, events, threshold, the metrics of rows (known ones only), of failures at the threshold, and
        ``budgets``. Undefined values are None. Failures of "all" at one instant of one device are one failure.
    """
    return {
        name: _evaluate(truth.rows(name), probability[:, i], thresholds[..., i]) for i, name in enumerate(truth.names)
    }


def stacked(truth: Truth, probability: Floats) -> tuple[Ints, Mask, Floats]:
    """Owner, event and probability of every known pair of row and component, component after component; shape (m,)."""
    owners, events, values = [], [], []
    for i, name in enumerate(truth.labels.components):
        rows = truth.rows(name)
        owners.append(rows.owner[rows.known])
        events.append(rows.event[rows.known])
        values.append(probability[rows.known, i])
    return np.concatenate(owners), np.concatenate(events), np.concatenate(values)


def evaluate_pooled(truth: Truth, probability: Floats) -> dict[str, Any]:
    """Metrics of all known pairs of row and component together, as if each were a row of its own.

    Parameters
    ----------
    probability
        Shape (n, C + 1), as for :func:`evaluate`; the last column is not read.

    Returns
    -------
    dict
        n, events, and every metric of rows that has an interval; None where undefined.
    """
    _, event, values = stacked(truth, probability)
    found = row_metrics(event, values)
    ranked = {metric.name: found[metric.name] for metric in ranked_metrics()}
    return {"n": len(event), "events": int(event.sum())} | ranked


def evaluate_intervals(
    truth: Truth, probability: Floats, thresholds: Floats, found: Mapping[str, Mapping[str, Any]], weights: Floats
) -> dict[str, dict[str, Any]]:
    """95 % intervals by device of what :func:`evaluate` found.

    Parameters
    ----------
    found
        What is to get intervals; with ``visit_rates`` where these were computed.
    weights
        Of the devices in each draw, shape (draws, devices); see ``draw_weights``.

    Returns
    -------
    dict
        name -> metric -> [low, high] or None where undefined; ``budgets`` and ``visit_rates`` hold metrics by budget
        and by rate. Thresholds are taken as given, also those of the rates; budgets are spent anew in each draw.
    """
    names = truth.names[:1] if _same(probability) and _same(thresholds) else truth.names
    ends = {
        name: _intervals(truth.rows(name), probability[:, i], thresholds[..., i], found[name], weights)
        for i, name in enumerate(names)
    }
    return {name: ends.get(name, ends[names[0]]) for name in truth.names}


def _same(columns: Floats) -> bool:
    """Whether there is one component, so that "any component" is it but for rounding."""
    return columns.shape[-1] == 2 and np.allclose(columns[..., 0], columns[..., 1], rtol=1e-9, atol=0, equal_nan=True)


def pooled_intervals(
    truth: Truth, probability: Floats, found: Mapping[str, Any], weights: Floats
) -> dict[str, Interval | None]:
    """95 % intervals by device of what :func:`evaluate_pooled` found."""
    return intervals(found, row_draws(Sorted.of(*stacked(truth, probability)), weights))


def _intervals(
    rows: Rows, probability: Floats, threshold: Floats, found: Mapping[str, Any], weights: Floats
) -> dict[str, Any]:
    known = rows.known
    drawn = row_draws(Sorted.of(rows.owner[known], rows.event[known], probability[known]), weights)
    drawn |= alarm_draws(rows, probability >= threshold, weights)
    budgets = budget_draws(rows, probability, weights)
    rates = {
        rate: alarm_draws(rows, at_least(probability, values["threshold"]), weights)
        for rate, values in found.get("visit_rates", {}).items()
    }
    return {
        **intervals(found, drawn),
        "budgets": {name: intervals(found["budgets"][name], values) for name, values in budgets.items()},
        "visit_rates": {rate: intervals(found["visit_rates"][rate], values) for rate, values in rates.items()},
    }


def _evaluate(rows: Rows, probability: Floats, threshold: Floats) -> dict[str, Any]:
    known, none = rows.known, bool(np.isnan(threshold).all())
    flagged = probability >= threshold
    found: dict[str, Any] = {
        "n": int(known.sum()),
        "events": int((rows.event & known).sum()),
        "threshold": None if none else float(np.nanmedian(threshold)),
    }
    found |= row_metrics(rows.event[known], probability[known])
    at_threshold = alarm_metrics(rows, flagged)
    if none:
        at_threshold = dict.fromkeys(at_threshold) | {"failures": at_threshold["failures"]}
    return found | at_threshold | {"budgets": budget_metrics(rows, probability)}


def failure_numbers(owner: Ints, moment: Ints, event: Mask) -> tuple[Ints, Ints]:
    """Return the number of the failure of each row (-1 without) and the times of the distinct (owner, moment)."""
    number = np.full(len(owner), -1, dtype=np.int64)
    pairs = np.stack([owner[event], moment[event]], axis=1)
    distinct, inverse = np.unique(pairs, axis=0, return_inverse=True)
    number[event] = inverse.reshape(-1)
    return number, distinct[:, 1]


def failures_in(labels: Labels, examples: Examples) -> Ints:
    """Distinct failures (id, time) of each component that the labels hold, shape (C,)."""
    owner = examples.owner
    counts = []
    for c in range(len(labels.components)):
        time = labels.time_to_event_us[:, c]
        seen = labels.valid & (time != NEVER)
        counts.append(len(failure_numbers(owner, examples.cutoff_us + np.where(seen, time, 0), seen)[1]))
    return np.array(counts, dtype=np.int64)
