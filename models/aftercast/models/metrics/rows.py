"""Metrics of the probabilities of rows, one row per (id, cutoff), and the same of rows weighted by their devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.metrics.binning import bin_starts, equal_size
from aftercast.models.metrics.bootstrap import by_device

ECE_BINS: Final = 15
SMALLEST: Final = 1e-12


def roc_auc(event: Mask, probability: Floats) -> float | None:
    """Area under the ROC curve; None without both outcomes."""
    return float(roc_auc_score(event, probability)) if event.any() and not event.all() else None


def pr_auc(event: Mask, probability: Floats) -> float | None:
    """Average precision; None without events."""
    return float(average_precision_score(event, probability)) if event.any() else None


def brier(event: Mask, probability: Floats) -> float:
    """Mean squared distance of probability and outcome (Brier 1950)."""
    return float(brier_score_loss(event, probability, pos_label=True))


def log_loss(event: Mask, probability: Floats) -> float:
    """Mean negative log-likelihood; probabilities count as at least 1e-12 away from 0 and 1."""
    p = np.clip(probability, SMALLEST, 1.0 - SMALLEST)
    return float(-np.mean(np.where(event, np.log(p), np.log1p(-p))))


def expected_calibration_error(event: Mask, probability: Floats, bins: int = ECE_BINS) -> float:
    """Mean |share of events - mean probability| over bins of equal size, weighted by rows (Naeini et al. 2015)."""
    order = np.argsort(probability, kind="stable")
    p, y = probability[order], event[order]
    starts = bin_starts(p, equal_size(len(p), bins))
    gaps = np.add.reduceat(y.astype(np.float64), starts) - np.add.reduceat(p, starts)
    return float(np.abs(gaps).sum() / len(p))


@dataclass(frozen=True)
class Sorted:
    """Forecasts in ascending order of probability, made once for all draws.

    Attributes
    ----------
    owner, event, probability
        Shape (n,).
    starts
        Where each run of equal probabilities begins, shape (runs,).
    """

    owner: Ints
    event: Mask
    probability: Floats
    starts: Ints

    @staticmethod
    def of(owner: Ints, event: Mask, probability: Floats) -> Sorted:
        """Sort n rows."""
        order = np.argsort(probability, kind="stable")
        p = probability[order]
        return Sorted(owner[order], event[order], p, run_starts(p[1:] != p[:-1], len(p)))

    @cached_property
    def events(self) -> Ints:
        """Rows with an event."""
        return np.flatnonzero(self.event)

    @cached_property
    def event_run(self) -> Ints:
        """Run of each event."""
        return np.searchsorted(self.starts, self.events, side="right") - 1

    @cached_property
    def loss(self) -> Floats:
        """Squared distance of probability and outcome, shape (n,)."""
        return (self.event - self.probability) ** 2

    def draws(self, weights: Floats) -> Iterator[Draw]:
        """Rows weighted as in each draw of devices; weights have shape (draws, devices)."""
        return (Draw(self, each[self.owner]) for each in weights)


@dataclass(frozen=True)
class Draw:
    """Forecasts of one draw: each row as often as its device was drawn, weight of shape (n,), not all 0.

    Each metric equals that of rows really repeated so often; NaN where it is undefined.
    """

    rows: Sorted
    weight: Floats

    @cached_property
    def runs(self) -> Floats:
        """Weight of each run of equal probabilities, shape (runs,)."""
        return np.add.reduceat(self.weight, self.rows.starts)

    @cached_property
    def events(self) -> Floats:
        """Weight of the events of each run, shape (runs,)."""
        return by_device(len(self.runs), self.rows.event_run, self.weight[self.rows.events])

    @cached_property
    def _at(self) -> Ints:
        """Runs that hold events."""
        return np.flatnonzero(self.events)

    def roc_auc(self) -> float:
        """Mann-Whitney, a tie counts half."""
        happened, others = self.events.sum(), self.runs.sum() - self.events.sum()
        if happened == 0 or others <= 0:
            return np.nan
        below = np.cumsum(self.runs - self.events)[self._at] - 0.5 * (self.runs - self.events)[self._at]
        return float(self.events[self._at] @ below / (happened * others))

    def pr_auc(self) -> float:
        """Average precision."""
        happened = self.events.sum()
        if happened == 0:
            return np.nan
        above = np.cumsum(self.runs[::-1])[::-1][self._at]
        return float(self.events[self._at] @ (np.cumsum(self.events[::-1])[::-1][self._at] / above) / happened)

    def brier(self) -> float:
        """Mean squared distance."""
        return float(self.weight @ self.rows.loss / self.weight.sum())

    def ece(self) -> float:
        """As :func:`expected_calibration_error`."""
        seen = np.cumsum(self.runs)
        n = round(seen[-1])
        first = np.unique(np.append(0, np.searchsorted(seen, equal_size(n, ECE_BINS), side="right")))
        gaps = self.events - self.runs * self.rows.probability[self.rows.starts]
        return float(np.abs(np.add.reduceat(gaps, first)).sum() / n)


def run_starts(changes: Mask, n: int) -> Ints:
    """Where runs begin among n rows, shape (runs,); ``changes`` says of rows 1 to n - 1 whether one begins there."""
    return np.append(0, np.flatnonzero(changes) + 1)[:n].astype(np.int64)
