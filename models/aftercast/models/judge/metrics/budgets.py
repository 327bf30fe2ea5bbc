"""Metrics under a budget: at each cutoff only the riskiest share of the devices can be visited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aftercast.models.judge.metrics.failures import Rows, failure_metrics

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
BUDGETS: Final = {"0.1%": 0.001, "1%": 0.01, "5%": 0.05}
TIE_DRAWS: Final = 20
TIE_SEED: Final = 20_240_101


def budget_flags(cutoff_us: npt.NDArray[np.int64], probability: Floats, budget: float, draw: int = 0) -> Mask:
    """Flag the riskiest ``ceil(budget * rows)`` rows of each cutoff, shape (n,).

    Rows of equal probability are drawn at random, seeded by ``draw``: by id, a constant forecast would look as good
    or bad as the numbering of the devices.
    """
    number = np.unique(cutoff_us, return_inverse=True)[1].astype(np.int64)
    return Ranking.of(number, probability).flags(budget, draw)


@dataclass(frozen=True)
class Ranking:
    """Rows of each cutoff by falling probability, sorted once for all budgets and draws.

    Attributes
    ----------
    cutoff
        Number of the cutoff of each row, shape (n,).
    order
        Rows by cutoff, then falling probability, shape (n,).
    start, size
        Where each cutoff's rows begin in the order, and how many they are, shape (cutoffs,).
    """

    cutoff: Ints
    probability: Floats
    order: Ints
    start: Ints
    size: Ints

    @staticmethod
    def of(cutoff: Ints, probability: Floats) -> Ranking:
        """Rank n rows; cutoffs are numbered from 0 without gaps."""
        size = np.bincount(cutoff)
        order = np.lexsort((-probability, cutoff)).astype(np.int64)
        return Ranking(cutoff, probability, order, np.cumsum(size) - size, size)

    def edge(self, budget: float) -> tuple[Mask, Ints, Ints]:
        """Rows above the last probability the budget reaches, rows that share it, and how many of those fit in.

        The mask has shape (n,), the tied rows (t,), the room for them (cutoffs,).
        """
        allowed = np.ceil(np.round(budget * self.size, 9)).astype(np.int64)
        last = self.probability[self.order[self.start + allowed - 1]][self.cutoff]
        sure = self.probability > last
        room = allowed - np.bincount(self.cutoff[sure], minlength=len(self.size))
        return sure, np.flatnonzero(self.probability == last), room

    def flags(self, budget: float, draw: int = 0) -> Mask:
        """Flagged rows, ties drawn at random."""
        return self.draws(budget, [draw])[0]

    def draws(self, budget: float, draws: Sequence[int]) -> list[Mask]:
        """Flagged rows of several draws of the ties; of one draw only where all tied rows fit in."""
        sure, tied, room = self.edge(budget)
        flags = []
        for draw in draws:
            flagged = sure.copy()
            flagged[self._drawn(tied, room, draw)] = True
            flags.append(flagged)
            if len(tied) == room.sum():
                break
        return flags

    def _drawn(self, tied: Ints, room: Ints, draw: int) -> Ints:
        """Tied rows with the smallest random numbers of their cutoff, as many as there is room for."""
        number = np.random.default_rng(TIE_SEED + draw).random(len(self.probability))[tied]
        group = self.cutoff[tied]
        ties = np.bincount(group, minlength=len(room))
        share = (room + 6.0 * np.sqrt(room) + 10.0) / np.maximum(ties, 1)  # holds the smallest but for rare draws
        near = np.flatnonzero(number < share[group])
        if (np.bincount(group[near], minlength=len(room)) < np.minimum(room, ties)).any():
            near = np.arange(len(tied))
        near = near[np.lexsort((number[near], group[near]))]
        count = np.bincount(group[near], minlength=len(room))
        rank = np.arange(len(near)) - np.repeat(np.cumsum(count) - count, count)
        return np.asarray(tied[near[rank < room[group[near]]]])


def budget_draws(rows: Rows, probability: Floats) -> dict[str, list[Mask]]:
    """Budget -> flagged rows, shape (n,), in 20 draws of the ties; in one where nothing is tied at the edge."""
    if len(probability) == 0:
        return {name: [np.zeros(0, dtype=bool)] for name in BUDGETS}
    ranking = Ranking.of(rows.cutoff_number, probability)
    return {name: ranking.draws(share, range(TIE_DRAWS)) for name, share in BUDGETS.items()}


def budget_metrics(rows: Rows, probability: Floats) -> dict[str, dict[str, Any]]:
    """Metrics of failures and precision for each daily budget; ties are averaged over 20 draws."""
    return {
        name: _mean([_metrics(rows, flagged) for flagged in draws])
        for name, draws in budget_draws(rows, probability).items()
    }


def _metrics(rows: Rows, flagged: Mask) -> dict[str, Any]:
    judged = flagged & rows.known
    precision = float(rows.event[judged].mean()) if judged.any() else None
    return {"flagged": int(flagged.sum()), "precision": precision} | failure_metrics(rows, flagged)


def _mean(found: list[dict[str, Any]]) -> dict[str, Any]:
    if len(found) == 1:
        return found[0]
    values = {name: [each[name] for each in found if each[name] is not None] for name in found[0]}
    return {name: float(np.mean(given)) if given else None for name, given in values.items()}
