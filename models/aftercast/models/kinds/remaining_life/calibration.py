"""From out-of-fold predictions of training units to answers: point, cautious point and interval per life stage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.kinds.remaining_life.conformal import misses, widening
from aftercast.models.kinds.remaining_life.distribution import Answers, answers
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings


@dataclass(frozen=True)
class OutOfFold:
    """Rows of training units predicted by models that had not seen the unit.

    Attributes
    ----------
    predicted, life
        Predicted and true remaining life in shares of the cap, n; the prediction lies in 0 to 1, the life does not.
    weight
        Weight of each row, n: 1 in all for every unit.
    unit, fold
        Unit and fold of each row, n.
    """

    predicted: Floats
    life: Floats
    weight: Floats
    unit: Ints
    fold: Ints

    @property
    def truth(self) -> Floats:
        """Remaining life, at most the cap."""
        return np.minimum(self.life, 1.0)

    def rows(self, chosen: Mask) -> OutOfFold:
        """Some of the rows."""
        return OutOfFold(
            self.predicted[chosen], self.life[chosen], self.weight[chosen], self.unit[chosen], self.fold[chosen]
        )


def tabulate(found: OutOfFold, settings: RemainingLifeSettings) -> Answers:
    """Tabulate the best answers of all rows."""
    return answers(
        found.predicted,
        found.truth,
        found.weight,
        coverage=settings.coverage,
        early=settings.early / settings.cap,
        late=settings.late / settings.cap,
    )


def cross_tabulated(found: OutOfFold, settings: RemainingLifeSettings) -> dict[str, Floats]:
    """Answers at every row, tabulated without the row's fold: what an unseen unit would be told."""
    names = ("mean", "cautious", "lower", "upper")
    values = {name: np.empty(len(found.truth)) for name in names}
    for fold in np.unique(found.fold):
        here = found.fold == fold
        table = tabulate(found.rows(~here), settings)
        for name in names:
            values[name][here] = table.at(name, found.predicted[here])
    return values


def stage_of(predicted: Floats, settings: RemainingLifeSettings) -> Ints:
    """Life stage of each prediction in shares of the cap; 0 is nearest to failure."""
    return np.searchsorted(np.array(settings.stages), predicted, side="right").astype(np.int64)


def stage_widening(found: OutOfFold, cross: dict[str, Floats], settings: RemainingLifeSettings) -> Floats:
    """Half widths to add in each stage; that of all rows where a stage has too few units."""
    miss = misses(cross["lower"], cross["upper"], found.truth)
    stages = stage_of(found.predicted, settings)
    overall = widening(miss, found.unit, settings.coverage)
    each = [
        widening(miss[stages == stage], found.unit[stages == stage], settings.coverage)
        for stage in range(len(settings.stages) + 1)
    ]
    return np.array([overall if math.isinf(value) else value for value in each])


def widened(lower: Floats, upper: Floats, extra: Floats) -> tuple[Floats, Floats]:
    """Add half widths at both ends, within 0 and the cap; a negative number shrinks, at most to the middle."""
    half, middle = (upper - lower) / 2, (upper + lower) / 2
    # An end at the cap stands for "at least": it is kept, since every longer life is covered by it.
    wide = half * np.maximum(1 + extra, 0.0)
    high = np.where(upper >= 1.0, 1.0, np.minimum(middle + wide, 1.0))
    return np.clip(middle - wide, 0.0, 1.0), high
