"""Evaluation of forecasts at one horizon: by component and for any of them, by row and by failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aftercast.data.clocks import NEVER
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels
from aftercast.models.metrics import budget_metrics, failure_metrics, row_metrics
from aftercast.models.metrics.failures import Rows

Floats = npt.NDArray[np.float64]
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
    """

    examples: Examples
    labels: Labels
    horizon_us: int
    every_us: int

    @property
    def names(self) -> tuple[str, ...]:
        """Components, then "all": any of them."""
        return (*self.labels.components, ALL)

    def rows(self, name: str) -> Rows:
        """Rows of one component, or of "all", whose failures are those of every component."""
        parts = range(len(self.labels.components)) if name == ALL else [self.labels.components.index(name)]
        time = self.labels.time_to_event_us[:, parts].min(axis=1)
        watched = self.labels.follow_up_us[:, parts].min(axis=1)
        event = time <= self.horizon_us
        known = self.labels.valid & (event | (watched >= self.horizon_us))
        owner = np.unique(self.examples.ids, return_inverse=True)[1].astype(np.int64)
        moment = self.examples.cutoff_us + np.where(event, time, 0)
        number, moments = _number(owner, moment, event & known)
        return Rows(owner, self.examples.cutoff_us, number, moments, known, self.every_us)


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


def _evaluate(rows: Rows, probability: Floats, threshold: Floats) -> dict[str, Any]:
    known, none = rows.known, bool(np.isnan(threshold).all())
    flagged = probability >= threshold
    found: dict[str, Any] = {
        "n": int(known.sum()),
        "events": int((rows.event & known).sum()),
        "threshold": None if none else float(np.nanmedian(threshold)),
    }
    found |= row_metrics(rows.event[known], probability[known], None if none else flagged[known])
    at_threshold = failure_metrics(rows, flagged)
    if none:
        at_threshold = dict.fromkeys(at_threshold) | {"failures": at_threshold["failures"]}
    return found | at_threshold | {"budgets": budget_metrics(rows, probability)}


def _number(
    owner: npt.NDArray[np.int64], moment: npt.NDArray[np.int64], event: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the number of the failure of each row (-1 without) and the times of the distinct (owner, moment)."""
    number = np.full(len(owner), -1, dtype=np.int64)
    pairs = np.stack([owner[event], moment[event]], axis=1)
    distinct, inverse = np.unique(pairs, axis=0, return_inverse=True)
    number[event] = inverse.reshape(-1)
    return number, distinct[:, 1]


def failures_in(labels: Labels, examples: Examples) -> npt.NDArray[np.int64]:
    """Distinct failures (id, time) of each component that the labels hold, shape (C,)."""
    owner = np.unique(examples.ids, return_inverse=True)[1].astype(np.int64)
    counts = []
    for c in range(len(labels.components)):
        time = labels.time_to_event_us[:, c]
        seen = labels.valid & (time != NEVER)
        counts.append(len(_number(owner, examples.cutoff_us + np.where(seen, time, 0), seen)[1]))
    return np.array(counts, dtype=np.int64)
