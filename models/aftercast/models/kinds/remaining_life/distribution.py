"""What remaining life follows a prediction: its distribution, learnt from out-of-fold predictions of training units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from aftercast.models.aliases import Floats, Ints
from aftercast.models.kinds.remaining_life.scores import asymmetric_cost

BANDWIDTH: Final = 0.05  # of the cap
REACH: Final = 4.0  # bandwidths beyond which a row has no say
STEPS: Final = 126  # values of remaining life and of predictions that are tabulated


@dataclass(frozen=True)
class Answers:
    """Best answers at each tabulated prediction, all in shares of the cap.

    Attributes
    ----------
    mean
        Expected remaining life.
    cautious
        Answer of the least expected asymmetric cost.
    lower, upper
        Shortest interval that holds the wanted share.
    """

    mean: Floats
    cautious: Floats
    lower: Floats
    upper: Floats

    def at(self, name: str, predicted: Floats) -> Floats:
        """Interpolate one of the answers at predictions in shares of the cap."""
        return np.interp(predicted, grid(), getattr(self, name))


def grid() -> Floats:
    """Tabulated values from 0 to the cap."""
    return np.linspace(0.0, 1.0, STEPS)


def answers(predicted: Floats, truth: Floats, weight: Floats, *, coverage: float, early: float, late: float) -> Answers:
    """Tabulate the best answers.

    Parameters
    ----------
    predicted, truth
        Out-of-fold predictions and capped truths in shares of the cap, n.
    weight
        Weight of each row, n.
    early, late
        Scales of the asymmetric cost in shares of the cap.
    """
    chances = _conditional(predicted, truth, weight)
    values = grid()
    costs = asymmetric_cost(values[:, None] - values[None, :], early, late)
    cautious = values[np.argmin(chances @ costs.T, axis=1)]
    lower, upper = _shortest(chances, coverage)
    return Answers(chances @ values, _smooth(cautious), _smooth(lower), _smooth(upper))


def _conditional(predicted: Floats, truth: Floats, weight: Floats) -> Floats:
    """Chance of each truth (columns) at each prediction (rows): a kernel estimate in the prediction (Nadaraya 1964).

    What is averaged over the neighbourhood is the error, not the truth, so that its width adds nothing to the spread.
    A truth at the cap stays there: that unit was healthy.
    """
    chances = np.empty((STEPS, STEPS))
    everywhere = 1e-9 * np.bincount(_column(truth), weight, minlength=STEPS)
    for row, value in enumerate(grid()):
        near = np.abs(predicted - value) < REACH * BANDWIDTH
        share = weight[near] * np.exp(-0.5 * ((predicted[near] - value) / BANDWIDTH) ** 2)
        moved = np.where(truth[near] < 1, truth[near] - predicted[near] + value, 1.0)
        chances[row] = np.bincount(_column(moved), share, minlength=STEPS) + everywhere
    return chances / chances.sum(axis=1, keepdims=True)


def _column(values: Floats) -> Ints:
    return np.rint(np.clip(values, 0, 1) * (STEPS - 1)).astype(np.int64)


def _shortest(chances: Floats, coverage: float) -> tuple[Floats, Floats]:
    """Shortest interval of values holding the coverage, for each row."""
    values = grid()
    running = np.concatenate((np.zeros((len(chances), 1)), np.cumsum(chances, axis=1)), axis=1)
    lower, upper = np.zeros(len(chances)), np.ones(len(chances))
    for row, total in enumerate(running):
        ends = np.searchsorted(total, total[:-1] + coverage - 1e-12)
        possible = np.flatnonzero(ends < len(total))
        if len(possible) > 0:
            best = possible[np.argmin(ends[possible] - possible)]
            lower[row], upper[row] = values[best], values[ends[best] - 1]
    return lower, upper


def _smooth(table: Floats) -> Floats:
    """Centred mean of five neighbours, ends repeated: a table read from finite data has steps that mean nothing."""
    padded = np.concatenate((np.repeat(table[:1], 2), table, np.repeat(table[-1:], 2)))
    return np.convolve(padded, np.full(5, 0.2), mode="valid")
