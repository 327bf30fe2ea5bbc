"""Metrics under a budget: at each cutoff only the riskiest share of the devices can be visited."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from aftercast.models.metrics.failures import Rows, failure_metrics

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
BUDGETS: Final = {"0.1%": 0.001, "1%": 0.01, "5%": 0.05}
TIE_DRAWS: Final = 20
TIE_SEED: Final = 20_240_101


def budget_flags(cutoff_us: npt.NDArray[np.int64], probability: Floats, budget: float, draw: int = 0) -> Mask:
    """Flag the riskiest ``ceil(budget * rows)`` rows of each cutoff, shape (n,).

    Rows of equal probability are drawn at random, seeded by ``draw``: by id, a constant forecast would look as good
    or bad as the numbering of the devices.
    """
    order = np.lexsort((np.random.default_rng(TIE_SEED + draw).random(len(probability)), -probability, cutoff_us))
    rank = np.empty(len(order), dtype=np.int64)
    _, start, size = np.unique(cutoff_us[order], return_index=True, return_counts=True)
    rank[order] = np.arange(len(order)) - np.repeat(start, size)
    allowed = np.empty(len(order), dtype=np.int64)
    allowed[order] = np.repeat(np.ceil(np.round(budget * size, 9)).astype(np.int64), size)
    return rank < allowed


def budget_metrics(rows: Rows, probability: Floats) -> dict[str, dict[str, Any]]:
    """Metrics of failures and precision for each daily budget; ties are averaged over 20 draws."""
    return {name: _one(rows, probability, share) for name, share in BUDGETS.items()}


def _one(rows: Rows, probability: Floats, share: float) -> dict[str, Any]:
    first = budget_flags(rows.cutoff_us, probability, share)
    second = budget_flags(rows.cutoff_us, probability, share, 1)
    draws = [first]
    if (first != second).any():
        more = (budget_flags(rows.cutoff_us, probability, share, draw) for draw in range(2, TIE_DRAWS))
        draws += [second, *more]
    return _mean([_metrics(rows, flagged) for flagged in draws])


def _metrics(rows: Rows, flagged: Mask) -> dict[str, Any]:
    judged = flagged & rows.known
    precision = float(rows.event[judged].mean()) if judged.any() else None
    return {"flagged": int(flagged.sum()), "precision": precision} | failure_metrics(rows, flagged)


def _mean(found: list[dict[str, Any]]) -> dict[str, Any]:
    if len(found) == 1:
        return found[0]
    values = {name: [each[name] for each in found if each[name] is not None] for name in found[0]}
    return {name: float(np.mean(given)) if given else None for name, given in values.items()}
