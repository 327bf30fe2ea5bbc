"""A training and its judgement: out-of-fold errors and intervals beside baselines in the same folds of whole units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from aftercast.models.kinds.remaining_life.baseline import AGE
from aftercast.models.kinds.remaining_life.calibration import (
    OutOfFold,
    cross_tabulated,
    stage_of,
    stage_widening,
    tabulate,
    widened,
)
from aftercast.models.kinds.remaining_life.evaluation import (
    OURS,
    Intervals,
    Measured,
    Sample,
    cross_validated,
    measure_intervals,
    measure_point,
    rmse_difference,
)
from aftercast.models.kinds.remaining_life.model import Training, read_training, train_and_check
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings


@dataclass(frozen=True)
class Judged:
    """A training judged out of fold.

    Attributes
    ----------
    units
        Units run to failure.
    samples
        The model, its cautious point and each baseline -> out-of-fold predictions of the rows that count; the same rows
        in the same order for all.
    given
        Intervals of those rows, widened as the model widens.
    honest
        The same, tabulated and widened in each fold by the other folds: those of units that had no say in them.
    against_age
        Capped RMSE less that of the age baseline, with its 95 % interval over units; below 0 is better.
    """

    training: Training
    units: int
    samples: dict[str, Sample]
    given: Intervals
    honest: Intervals
    against_age: list[float]

    @property
    def settings(self) -> RemainingLifeSettings:
        """Settings it was trained by."""
        return self.training.model.settings

    @property
    def better_than_age(self) -> bool:
        """Whether the whole interval of the difference to the age baseline is below 0."""
        return self.against_age[2] < 0

    @cached_property
    def points(self) -> dict[str, Measured]:
        """Errors of the model and each baseline over all folds: value, low, high."""
        return {name: measure_point(sample, self.settings) for name, sample in self.samples.items()}

    @cached_property
    def coverage(self) -> dict[str, dict[str, Any]]:
        """Coverage and width of the model's intervals over all folds and by stage, as the model widens them."""
        return measure_intervals(self.samples[OURS], self.given, self.settings)

    @cached_property
    def honest_coverage(self) -> dict[str, dict[str, Any]]:
        """Coverage and width, over all folds and by stage, of intervals in which the rows had no say."""
        return measure_intervals(self.samples[OURS], self.honest, self.settings)

    def report(self) -> dict[str, Any]:
        """Everything as plain values: all folds together, then fold by fold."""
        fold = self.training.outside.fold
        return {
            "units": self.units,
            "cap": self.settings.cap,
            "coverage_wanted": self.settings.coverage,
            "models": self.points,
            "against_age": self.against_age,
            "better_than_age": self.better_than_age,
            "intervals": self.coverage,
            "intervals_by_other_folds": self.honest_coverage,
            "folds": [self._fold(int(each), fold == each) for each in np.unique(fold)],
        }

    def _fold(self, number: int, rows: Any) -> dict[str, Any]:
        here = {name: sample.rows(rows) for name, sample in self.samples.items()}
        return {
            "fold": number + 1,
            "units": len(np.unique(here[OURS].unit)),
            "models": {name: measure_point(sample, self.settings) for name, sample in here.items()},
            "intervals_by_other_folds": measure_intervals(here[OURS], self.honest.rows(rows), self.settings),
        }


def judge(frame: pd.DataFrame, settings: RemainingLifeSettings) -> Judged:
    """Train on units run to failure and judge the training.

    Parameters
    ----------
    frame
        As for :func:`train_and_check`.

    Raises
    ------
    InputError, NotEnoughDataError
        As :func:`train_and_check`.
    """
    training = train_and_check(frame, settings)
    trajectories, _ = read_training(frame, settings)
    samples, given = cross_validated(training, trajectories, settings)
    against_age = rmse_difference(samples[OURS], samples[AGE], settings)
    return Judged(training, len(trajectories.units), samples, given, honest_intervals(training), against_age)


def honest_intervals(training: Training) -> Intervals:
    """Intervals of the rows that count, in each fold tabulated and widened by the rows of the other folds only."""
    outside, settings = training.outside, training.model.settings
    stage = stage_of(outside.predicted, settings)
    lower, upper = (np.empty(len(stage)) for _ in range(2))
    for fold in np.unique(outside.fold):
        here = outside.fold == fold
        rest = _with_folds(outside.rows(~here))
        extra = stage_widening(rest, cross_tabulated(rest, settings), settings)[stage[here]]
        table, predicted = tabulate(rest, settings), outside.predicted[here]
        low, high = (table.at(name, predicted) for name in ("lower", "upper"))
        lower[here], upper[here] = widened(low, high, extra)
    return Intervals(lower * settings.cap, upper * settings.cap, upper >= 1.0, stage)


def _with_folds(rest: OutOfFold) -> OutOfFold:
    """Rows with two folds of units where only one is left, since a table of no row says nothing."""
    if len(np.unique(rest.fold)) > 1:
        return rest
    _, unit = np.unique(rest.unit, return_inverse=True)
    return replace(rest, fold=(unit % 2).astype(np.int64))


def stage_names(settings: RemainingLifeSettings) -> list[str]:
    """Predicted remaining life of each stage in cycles, as text, nearest to failure first."""
    edges = [0.0, *(edge * settings.cap for edge in settings.stages), settings.cap]
    return [f"{low:.0f} to {high:.0f}" for low, high in pairwise(edges)]
