"""Metrics under a budget: at each cutoff only the riskiest share of the devices can be visited.

Where a run of equal probabilities does not fit into what is left of a budget, each of its rows has the same chance of
a visit, and metrics are the expected ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.metrics.bootstrap import Drawn, by_device
from aftercast.models.metrics.failures import Alarms, Rows
from aftercast.models.metrics.rows import run_starts
from aftercast.models.metrics.table import FOUND, RatioMetric, ratio_metrics

BUDGETS: Final = {"0.1%": 0.001, "1%": 0.01, "5%": 0.05}


@dataclass(frozen=True)
class Budgeted:
    """Rows ranked at each cutoff, for budgets that are spent anew in every draw.

    Attributes
    ----------
    every
        All n rows.
    rows
        Those that a budget may reach, m of the n rows, in their order; failures are those of all rows.
    run
        Run of equal probabilities of each row, numbered by cutoff, then falling probability, shape (m,).
    cutoff
        Number of the cutoff of each run, shape (runs,).
    wholes
        Metric -> sum over each device of what it is divided by, where alarms do not change that, shape (devices,).
    """

    every: Rows
    rows: Rows
    run: Ints
    cutoff: Ints
    wholes: dict[str, Floats]

    @staticmethod
    def of(rows: Rows, probability: Floats, devices: int) -> Budgeted:
        """Rank n rows, n > 0.

        Kept are runs that begin among the first ``2 room + 50`` rows of their cutoff: that so many rows were drawn less
        than ``room`` times is seven standard deviations off.
        """
        size = np.bincount(rows.cutoff_number)
        order = np.lexsort((-probability, rows.cutoff_number))
        p, cutoff = probability[order], rows.cutoff_number[order]
        starts = run_starts((p[1:] != p[:-1]) | (cutoff[1:] != cutoff[:-1]), len(p))
        at = cutoff[starts]
        before = starts - (np.cumsum(size) - size)[at]
        kept = before < 2 * np.ceil(max(BUDGETS.values()) * size[at]) + 50
        number = np.empty(len(p), dtype=np.int64)
        number[order] = np.repeat(np.where(kept, np.cumsum(kept) - 1, -1), np.diff(np.append(starts, len(p))))
        within = number >= 0
        wholes = {
            metric.name: by_device(devices, *metric.whole(rows))
            for metric in ratio_metrics()
            if metric.whole is not None
        }
        return Budgeted(rows, _taken(rows, within), number[within], at[kept], wholes)

    def chances(self, weights: Floats) -> Iterator[tuple[str, Floats]]:
        """Each budget and the chance of each row kept to be visited in one draw, shape (m,)."""
        total = np.bincount(self.every.cutoff_number, weights=weights[self.every.owner])
        size = by_device(len(self.cutoff), self.run, weights[self.rows.owner])
        kept = by_device(len(total), self.cutoff, size)
        before = np.cumsum(size) - size - (np.cumsum(kept) - kept)[self.cutoff]
        for name, budget in BUDGETS.items():
            room = np.ceil(np.round(budget * total, 9))[self.cutoff] - before
            yield name, np.clip(room / np.maximum(size, 1.0), 0.0, 1.0)[self.run]

    def metrics(self, chance: Floats, weights: Floats) -> dict[str, float]:
        """Every ratio of alarms in one draw, NaN where undefined."""
        chosen = np.flatnonzero(chance)
        alarms = Alarms(_taken(self.rows, chosen), chance[chosen], self.every.failure_owner)
        found = {}
        for metric in ratio_metrics():
            owner, part = metric.part(alarms)
            if metric.name in self.wholes:
                below = float(weights @ self.wholes[metric.name])
            else:
                below = float(weights[alarms.rows.owner] @ alarms.spent)
            found[metric.name] = float(weights[owner] @ part) * (metric.scale or 1.0) / below if below > 0 else np.nan
        return found

    def devices(self, metric: RatioMetric, chance: Floats) -> int:
        """How many devices a share is a share of where each is drawn once; 0 for a rate."""
        if metric.scale > 0:
            return 0
        if metric.name in self.wholes:
            return int((self.wholes[metric.name] > 0).sum())
        return len(np.unique(self.rows.owner[(chance > 0) & self.rows.known]))


def _taken(rows: Rows, chosen: Mask | Ints) -> Rows:
    """Some of the rows; the failures stay."""
    return replace(
        rows,
        owner=rows.owner[chosen],
        cutoff_us=rows.cutoff_us[chosen],
        failure=rows.failure[chosen],
        known=rows.known[chosen],
    )


def budget_metrics(rows: Rows, probability: Floats) -> dict[str, dict[str, Any]]:
    """Budget -> flagged (rows), failures, found, and the ratios of alarms; None where undefined."""
    names = [metric.name for metric in ratio_metrics()]
    if len(probability) == 0:
        none = {"flagged": 0, "failures": 0, "found": 0, **dict.fromkeys(names)}
        return {budget: dict(none) for budget in BUDGETS}
    devices = 1 + int(rows.owner.max())
    ranked, each = Budgeted.of(rows, probability, devices), np.ones(devices)
    made = {}
    for budget, chance in ranked.chances(each):
        values = {name: float(v) if np.isfinite(v) else None for name, v in ranked.metrics(chance, each).items()}
        failures, share = len(rows.failure_us), values[FOUND]
        counts = {"flagged": round(chance.sum()), "failures": failures, "found": (share or 0.0) * failures}
        made[budget] = counts | values
    return made


def budget_draws(rows: Rows, probability: Floats, weights: Floats) -> dict[str, dict[str, Drawn]]:
    """Budget -> metrics in each draw; in each the riskiest of the devices drawn are flagged anew."""
    metrics = ratio_metrics()
    if len(probability) == 0:
        return {name: {each.name: Drawn(np.full(len(weights), np.nan)) for each in metrics} for name in BUDGETS}
    ranked = Budgeted.of(rows, probability, weights.shape[1])
    found: dict[str, list[dict[str, float]]] = {name: [] for name in BUDGETS}
    for each in weights:
        for name, chance in ranked.chances(each):
            found[name].append(ranked.metrics(chance, each))
    certain = dict(ranked.chances(np.ones(weights.shape[1])))
    return {
        name: {
            metric.name: Drawn(np.array([draw[metric.name] for draw in draws]), ranked.devices(metric, certain[name]))
            for metric in metrics
        }
        for name, draws in found.items()
    }
