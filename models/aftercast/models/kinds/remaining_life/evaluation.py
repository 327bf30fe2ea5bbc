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
from aftercast.models.metrics.bootstrap import TAILS, draw_weights, share
from aftercast.models.metrics.table import Metric

Measured: TypeAlias = dict[str, list[float]]
METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        Metric("rmse", "RMSE, capped", "lower", format=".2f"),
        Metric("rmse_uncapped", "RMSE, uncapped", "lower", format=".2f"),
        Metric("mae", "MAE, capped", "lower", format=".2f"),
        Metric("score", "cost score", "lower", format=".0f"),
    )
}
"""Errors of a point prediction, in cycles, as :func:`measure_point` gives them."""
RESAMPLES: Final = 2000
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
    capped = _capped_error(sample, settings)
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
    (of_ours, first), (of_other, second) = (
        _drawn(sample, _capped_error(sample, settings) ** 2, np.sqrt) for sample in (ours, other)
    )
    return [of_ours - of_other, *np.quantile(first - second, TAILS).tolist()]


def _capped_error(sample: Sample, settings: RemainingLifeSettings) -> Floats:
    return np.clip(sample.predicted, 0, settings.cap) - np.minimum(sample.truth, settings.cap)


def _resampled(sample: Sample, values: Floats, last: Callable[[Floats], Floats] = np.asarray) -> list[float]:
    """Weighted mean of values with the 2.5 and 97.5 % points over units drawn with replacement."""
    centre, drawn = _drawn(sample, values, last)
    return [centre, *np.quantile(drawn, TAILS).tolist()]


def _drawn(sample: Sample, values: Floats, last: Callable[[Floats], Floats]) -> tuple[float, Floats]:
    """Weighted mean of values, and the same in each draw of units."""
    _, unit = np.unique(sample.unit, return_inverse=True)
    part, whole = (unit, sample.weight * values), (unit, sample.weight)
    everyone, draws = np.ones((1, unit.max() + 1)), draw_weights(int(unit.max()) + 1, RESAMPLES, seed=0)
    centre, drawn = (last(share(weights, part, whole).values) for weights in (everyone, draws))
    return float(centre[0]), drawn


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
