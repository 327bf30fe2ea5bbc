"""Folds of a search of settings: what all trials share, the loss of a model on a fold, and the verdict over two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.labels import Outcome, load_outcome
from aftercast.models.aliases import Floats, Ints, Progress
from aftercast.models.examples.cases import (
    Cases,
    build_cases,
    horizons_of,
    training_end,
    training_grid,
    usual_horizon,
)
from aftercast.models.examples.consent import without
from aftercast.models.fit.shift_windows import moment_of
from aftercast.models.fit.training import fit_model
from aftercast.models.hazard import HazardSettings
from aftercast.models.kinds import hazard_kind
from aftercast.operations.clocks import timestamp_us
from aftercast.operations.errors import NotEnoughDataError

SMALLEST: Final = 1e-12


@dataclass(frozen=True)
class Loss:
    """Log loss of forecasts, summed by device.

    Attributes
    ----------
    total, pairs
        Sum of the losses and number of known pairs of row and component of each device, shape (D,).
    """

    total: Floats
    pairs: Floats

    @property
    def mean(self) -> float:
        """Log loss of all pairs."""
        return float(self.total.sum() / self.pairs.sum())


@dataclass(frozen=True)
class Fold:
    """One training inside the training time and the cutoffs it is judged on.

    Attributes
    ----------
    until
        When the training ends, microseconds.
    tests
        Cutoffs whose usual horizon is over when the next fold begins, microseconds.
    """

    until: int
    tests: Ints


@dataclass(frozen=True)
class Verdict:
    """The best trial against the defaults on the fold that no trial was chosen by.

    Attributes
    ----------
    default, best
        Log losses.
    difference, standard_error
        Of the best from the default, paired; negative is better.
    """

    default: float
    best: float
    difference: float
    standard_error: float

    @property
    def better(self) -> bool:
        """Whether the best is better by more than a standard error."""
        return self.difference + self.standard_error < 0.0

    @property
    def sentence(self) -> str:
        """What to do, for people."""
        if self.difference == 0.0 and self.standard_error == 0.0:
            return "Keep the defaults: no trial beat them."
        found = f"{self.difference:+.5f} ± {self.standard_error:.5f} (standard error) log loss on the held fold"
        return f"Use the best settings: {found}." if self.better else f"Keep the defaults: the best has {found}."


@dataclass(frozen=True)
class Candidates:
    """Rows that all trials share.

    Attributes
    ----------
    horizons_us
        Horizons of the models, up to the one they are judged by.
    until
        End of the training time: no fact after it is read.
    """

    spec: FleetSpec
    cases: Cases
    outcome: Outcome
    folds: tuple[Fold, ...]
    horizons_us: tuple[int, ...]
    horizon_us: int
    until: pd.Timestamp

    def loss(self, fold: Fold, settings: HazardSettings) -> Loss:
        """Loss of the model of a fold on its test cutoffs."""
        moment, cutoff_us = moment_of(fold.until), self.cases.examples.cutoff_us
        past, test = self.cases.take(cutoff_us < fold.until), self.cases.take(np.isin(cutoff_us, fold.tests))
        model = fit_model(
            past.features,
            past.examples,
            past.labels(self.outcome.known_at(moment), moment),
            self.spec,
            horizons_us=self.horizons_us,
            until=moment,
            settings=settings,
        )
        labels = test.labels(self.outcome, self.until)
        forecast = np.clip(model.predict(test.features).within(self.horizon_us)[0], SMALLEST, 1.0 - SMALLEST)
        event = labels.event_within(0, self.horizon_us)
        known = labels.known_within(self.horizon_us) & labels.valid[:, None]
        losses = -np.where(event, np.log(forecast), np.log1p(-forecast)) * known
        owner = test.examples.owner
        total, pairs = (_by_device(owner, each) for each in (losses, known))
        return Loss(total, pairs)

    def verdict(self, best: HazardSettings, default: HazardSettings) -> Verdict:
        """Verdict on the last fold."""
        return compared(*(self.loss(self.folds[-1], settings) for settings in (best, default)))


def candidates_of(
    kind: str,
    store: Store,
    spec: FleetSpec,
    *,
    version: int | None,
    until: pd.Timestamp | None,
    folds: int,
    progress: Progress | None,
) -> Candidates:
    """Cases of the whole training time, and its folds: evenly over the second half."""
    version, end = training_end(kind, store, spec, version=version, until=until)
    cutoffs = training_grid(kind, store, spec, version, end)
    horizon = usual_horizon(horizons_of(kind, spec))
    parts = folds_of(cutoffs, timestamp_us(end), horizon, folds)
    everyone = build_cases(kind, store, spec, cutoffs, version=version, known_at=end, progress=progress)
    cases = without(everyone, hazard_kind(kind).refusals(store, version=version, known_at=end))
    horizons = tuple(each for each in horizons_of(kind, spec) if each <= horizon)
    outcome = load_outcome(store, spec, version=version, known_at=end)
    return Candidates(spec, cases, outcome, parts, horizons, horizon, end)


def folds_of(cutoffs: Ints, end: int, horizon_us: int, count: int) -> tuple[Fold, ...]:
    """Folds over the second half of the time; a test cutoff's horizon ends before the next training does."""
    if len(cutoffs) < 2:
        raise NotEnoughDataError(f"There are {len(cutoffs)} cutoffs to train on.", "Import more history.")
    moments = np.linspace((cutoffs[0] + end) / 2, end, count + 1)
    edges = [int(cutoffs[np.searchsorted(cutoffs, moment)]) for moment in moments[:-1]]
    found = []
    for start, stop in zip(edges, [*edges[1:], end], strict=True):
        tests = cutoffs[(cutoffs >= start) & (cutoffs + horizon_us <= stop)]
        if len(tests) == 0:
            raise NotEnoughDataError(
                f"A fold from {moment_of(start):%Y-%m-%d} to {moment_of(stop):%Y-%m-%d} is shorter than the horizon.",
                "Choose fewer --folds, or import more history.",
            )
        found.append(Fold(start, tests))
    return tuple(found)


def compared(best: Loss, default: Loss) -> Verdict:
    """Verdict over the losses of the same pairs.

    The difference of the means is a ratio of sums over devices, whose standard error is that of Cochran (1977, section
    6.3): rows of one device repeat each other, devices do not.
    """
    difference = best.mean - default.mean
    away = best.total - default.total - difference * best.pairs
    count = len(away)
    error = math.sqrt(count / max(count - 1, 1) * float((away**2).sum())) / float(best.pairs.sum())
    return Verdict(default.mean, best.mean, difference, error)


def _by_device(owner: Ints, values: npt.NDArray[np.generic]) -> Floats:
    """Sum of the values of each device's rows, shape (D,)."""
    return np.asarray(np.bincount(owner, values.sum(axis=1)), dtype=np.float64)
