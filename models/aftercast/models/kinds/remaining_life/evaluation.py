"""How well remaining life was told to units that no training had seen, with 95 % bootstrap intervals over units.

A row counts from its unit's youngest age on, up to the horizon of remaining life, and each unit weighs the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np

from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.kinds.remaining_life.baseline import BASELINES, Baseline
from aftercast.models.kinds.remaining_life.calibration import stage_of
from aftercast.models.kinds.remaining_life.folds import part, remaining, unit_folds
from aftercast.models.kinds.remaining_life.model import Training, row_weights
from aftercast.models.kinds.remaining_life.scores import asymmetric_cost, covered
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories import Trajectories

Measured: TypeAlias = dict[str, list[float]]
RESAMPLES: Final = 2000
TAILS: Final = (0.025, 0.975)
OURS: Final = "aftercast"
CAUTIOUS: Final = "aftercast, cautious"


@dataclass(frozen=True)
class Sample:
    """Predictions of some rows of units with their truth in cycles; ``weight`` adds up to one for each unit."""

    predicted: Floats
    truth: Floats
    unit: Ints
    weight: Floats

    def rows(self, chosen: Mask) -> Sample:
        """Some of the rows."""
        return Sample(self.predicted[chosen], self.truth[chosen], self.unit[chosen], self.weight[chosen])


@dataclass(frozen=True)
class Intervals:
    """Intervals of the rows of a sample, and the stage each was given for."""

    lower: Floats
    upper: Floats
    open_above: Mask
    stage: Ints

    def rows(self, chosen: Mask) -> Intervals:
        """Some of the rows."""
        return Intervals(self.lower[chosen], self.upper[chosen], self.open_above[chosen], self.stage[chosen])


Protocol: TypeAlias = tuple[dict[str, Sample], Intervals]


def measure_point(sample: Sample, settings: RemainingLifeSettings) -> Measured:
    """Measure errors of a point prediction, each with its bootstrap interval over units: value, low, high.

    The score is the asymmetric cost of as many rows as there are units.
    """
    capped = np.clip(sample.predicted, 0, settings.cap) - np.minimum(sample.truth, settings.cap)
    uncapped = sample.predicted - sample.truth
    units = len(np.unique(sample.unit))
    return {
        "rmse": _resampled(sample, capped**2, np.sqrt),
        "rmse_uncapped": _resampled(sample, uncapped**2, np.sqrt),
        "mae": _resampled(sample, np.abs(capped)),
        "score": _resampled(sample, asymmetric_cost(capped, settings.early, settings.late) * units),
    }


def measure_intervals(sample: Sample, given: Intervals, settings: RemainingLifeSettings) -> dict[str, dict[str, Any]]:
    """Measure coverage and width of all rows and of each stage of predicted and true life, with bootstrap intervals."""
    truth = np.minimum(sample.truth, settings.cap)
    inside = covered(given.lower, given.upper, truth, given.open_above).astype(np.float64)
    width = given.upper - given.lower
    edges = [0.0, *(edge * settings.cap for edge in settings.stages), settings.cap]
    true_stage = stage_of(truth / settings.cap, settings)
    slices = {"all": np.ones(len(truth), dtype=bool)}
    for kind, stage in (("predicted", given.stage), ("true", true_stage)):
        slices |= {f"{kind} {low:.0f} to {high:.0f}": stage == k for k, (low, high) in enumerate(pairwise(edges))}
    found: dict[str, dict[str, Any]] = {}
    for name, chosen in slices.items():
        if chosen.any():
            here = sample.rows(chosen)
            found[name] = {
                "units": len(np.unique(here.unit)),
                "coverage": _resampled(here, inside[chosen]),
                "width": _resampled(here, width[chosen]),
            }
    return found


def rmse_difference(ours: Sample, other: Sample, settings: RemainingLifeSettings) -> list[float]:
    """Capped RMSE of one prediction less that of another of the same rows, with its bootstrap interval over units.

    Both are computed from the same draws of units, so that units that are hard for both cancel out.
    """
    totals, weights = [], np.empty(0)
    for sample in (ours, other):
        capped = np.clip(sample.predicted, 0, settings.cap) - np.minimum(sample.truth, settings.cap)
        total, weights = _by_unit(sample, capped**2)
        totals.append(total)
    drawn = _draws(len(weights))
    below = weights[drawn].sum(axis=1)
    first, second = (np.sqrt(total[drawn].sum(axis=1) / below) for total in totals)
    centre = np.sqrt(totals[0].sum() / weights.sum()) - np.sqrt(totals[1].sum() / weights.sum())
    return [float(centre), *(float(value) for value in np.quantile(first - second, TAILS))]


def _resampled(sample: Sample, values: Floats, last: Callable[[Floats], Floats] = np.asarray) -> list[float]:
    """Weighted mean of values with the 2.5 and 97.5 % points over units drawn with replacement."""
    totals, weights = _by_unit(sample, values)
    drawn = _draws(len(totals))
    means = last(totals[drawn].sum(axis=1) / weights[drawn].sum(axis=1))
    centre = last(np.array([totals.sum() / weights.sum()]))[0]
    return [float(centre), *(float(value) for value in np.quantile(means, TAILS))]


def _by_unit(sample: Sample, values: Floats) -> tuple[Floats, Floats]:
    """Weighted sum of the values of each unit, and the weights, both m."""
    _, unit = np.unique(sample.unit, return_inverse=True)
    totals: Floats = np.bincount(unit, sample.weight * values).astype(np.float64)
    return totals, np.bincount(unit, sample.weight).astype(np.float64)


def _draws(units: int) -> Ints:
    """Units of each draw, draws x units."""
    return np.random.default_rng(0).integers(units, size=(RESAMPLES, units))


def cross_validated(training: Training, trajectories: Trajectories, settings: RemainingLifeSettings) -> Protocol:
    """Out-of-fold answers of the model and the baselines for the rows of training units that count."""
    outside, unseen, cap = training.outside, training.unseen, settings.cap
    points = {OURS: outside.predicted * cap, CAUTIOUS: unseen["cautious"] * cap}
    samples = {
        name: Sample(values, outside.life * cap, outside.unit, outside.weight) for name, values in points.items()
    }
    samples |= {name: crossed_baseline(baseline, trajectories, settings) for name, baseline in BASELINES.items()}
    upper = unseen["upper"]
    return samples, Intervals(unseen["lower"] * cap, upper * cap, upper >= 1.0, stage_of(outside.predicted, settings))


def crossed_baseline(baseline: Baseline, trajectories: Trajectories, settings: RemainingLifeSettings) -> Sample:
    """Out-of-fold predictions of a baseline, in the folds and on the rows of our own."""
    fold_of_unit = unit_folds(len(trajectories.units), settings.folds)
    predicted = np.empty(len(trajectories.cycles))
    for fold in range(settings.folds):
        inside, outside = (np.flatnonzero((fold_of_unit == fold) == held) for held in (False, True))
        rows = fold_of_unit[trajectories.unit_of_row] == fold
        predicted[rows] = baseline(part(trajectories, inside), part(trajectories, outside), settings.cap)
    life = remaining(trajectories).to_numpy()
    weight = row_weights(trajectories, life, settings)
    counts = weight > 0
    return Sample(predicted[counts], life[counts], trajectories.unit_of_row[counts], weight[counts])
