"""Bootstrap by device: how far a metric may be off, were other devices drawn; rows of one device are not independent.

A draw of devices with replacement gives each device a whole weight, and every metric is computed from rows sorted once
with the weights of their devices: nothing is copied and nothing sorted again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from aftercast.models.judge.metrics.budgets import BUDGETS, Ranking
from aftercast.models.judge.metrics.failures import Rows, lead_times, visit_chances, visit_ends, visited
from aftercast.models.judge.metrics.rows import ECE_BINS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Interval = list[float]
DRAWS: Final = 200
SEED: Final = 20_250_301
ENOUGH: Final = 0.5  # share of the draws in which a metric must be defined
TAILS: Final = (0.025, 0.975)
RANKED: Final = ("roc_auc", "pr_auc", "brier", "ece")


class Drawn(NamedTuple):
    """A metric in each draw.

    Attributes
    ----------
    values
        Shape (draws,); NaN where undefined.
    devices
        For a share, how many devices it is a share of; 0 for other metrics.
    """

    values: Floats
    devices: int = 0


def draw_weights(devices: int, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """How often each of the devices is drawn in each draw, shape (draws, devices); each draw adds up to devices."""
    random = np.random.default_rng(seed)
    weights = [np.bincount(random.integers(devices, size=devices), minlength=devices) for _ in range(draws)]
    return np.array(weights, dtype=np.float64).reshape(draws, devices)


def interval(name: str, estimate: float | None, drawn: Drawn) -> Interval | None:
    """95 % interval of a metric; None where the metric is undefined, or is in most draws.

    The 2.5 % and 97.5 % quantiles of the draws (Efron and Tibshirani 1993, 13.3), with two exceptions:

    - A calibration error grows with every noise, and a draw has the noise of the sample twice, so that all draws may
      lie above it. Noise adds to it as variances do: its lower end is ``sqrt(2 estimate^2 - high^2)``, the reflection
      of the upper quantile (Davison and Hinkley 1997, 5.2) among squares, 0 where that is not defined. It is cautious:
      on simulated fleets it held the error of an endless sample in 95 to 100 of 100 cases.
    - A share that is 0 or 1 in every draw would get an interval without width. It gets the exact binomial one for as
      many trials as it has devices (Clopper and Pearson 1934).
    """
    defined = drawn.values[np.isfinite(drawn.values)]
    if estimate is None or len(defined) < max(2, ENOUGH * len(drawn.values)):
        return None
    low, high = (float(each) for each in np.quantile(defined, TAILS))
    if name == "ece":
        return [float(np.sqrt(max(0.0, 2 * estimate**2 - high**2))), max(high, estimate)]
    if drawn.devices > 0 and low == high and low in (0.0, 1.0):
        edge = TAILS[0] ** (1 / drawn.devices)
        return [edge, 1.0] if low == 1.0 else [0.0, 1.0 - edge]
    return [low, high]


def difference_interval(name: str, estimate: float, drawn: Floats) -> Interval | None:
    """95 % interval of the difference of two metrics in the same draws, shape (draws,); None as for :func:`interval`.

    Quantiles of the draws; of calibration errors, whose noise does not cancel out, reflected about the difference.
    """
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < max(2, ENOUGH * len(drawn)):
        return None
    low, high = (float(each) for each in np.quantile(defined, TAILS))
    return [2 * estimate - high, 2 * estimate - low] if name == "ece" else [low, high]


def intervals(estimates: Mapping[str, Any], drawn: Mapping[str, Drawn]) -> dict[str, Interval | None]:
    """Interval of each drawn metric."""
    return {name: interval(name, estimates[name], values) for name, values in drawn.items()}


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
    def _events(self) -> Ints:
        return np.flatnonzero(self.event)

    @cached_property
    def _run(self) -> Ints:
        """Run of each event."""
        return np.searchsorted(self.starts, self._events, side="right") - 1

    @cached_property
    def _loss(self) -> Floats:
        return (self.event - self.probability) ** 2

    def metrics(self, weights: Floats) -> Floats:
        """ROC-AUC, PR-AUC, Brier score and ECE of one draw, shape (4,), NaN where undefined.

        Each equals the metric of rows repeated as often as their devices were drawn.

        Parameters
        ----------
        weights
            Of the devices, shape (devices,).
        """
        weight = weights[self.owner]
        total = weight.sum()
        if total == 0:
            return np.full(4, np.nan)
        rows = np.add.reduceat(weight, self.starts)
        events = summed(self._run, weight[self._events], len(rows))
        brier = weight @ self._loss / total
        return np.array([*_areas(rows, events), brier, _ece(rows, events, self.probability[self.starts])])


def run_starts(changes: Mask, n: int) -> Ints:
    """Where runs begin among n rows, shape (runs,); ``changes`` tells of rows 1 to n - 1 whether one begins there."""
    return np.append(0, np.flatnonzero(changes) + 1)[:n].astype(np.int64)


def _areas(rows: Floats, events: Floats) -> tuple[float, float]:
    """ROC-AUC (Mann-Whitney, a tie counts half) and average precision of weighted runs by ascending probability."""
    happened, others = events.sum(), rows.sum() - events.sum()
    if happened == 0:
        return np.nan, np.nan
    at = np.flatnonzero(events)
    above = np.cumsum(rows[::-1])[::-1][at]
    precision = events[at] @ (np.cumsum(events[::-1])[::-1][at] / above) / happened
    below = np.cumsum(rows - events)[at] - 0.5 * (rows - events)[at]
    return (float(events[at] @ below / (happened * others)) if others > 0 else np.nan), float(precision)


def _ece(rows: Floats, events: Floats, probability: Floats) -> float:
    """Expected calibration error of weighted runs by ascending probability, as ``expected_calibration_error``."""
    seen = np.cumsum(rows)
    n = round(seen[-1])
    edges = np.linspace(0, n, min(ECE_BINS, n) + 1).round()[1:-1]
    first = np.unique(np.append(0, np.searchsorted(seen, edges, side="right")))
    return float(np.abs(np.add.reduceat(events - rows * probability, first)).sum() / n)


def row_draws(rows: Sorted, weights: Floats) -> dict[str, Drawn]:
    """ROC-AUC, PR-AUC, Brier score and ECE in each draw."""
    if len(rows.event) == 0:
        return {name: Drawn(np.full(len(weights), np.nan)) for name in RANKED}
    found = np.array([rows.metrics(each) for each in weights]).reshape(-1, 4)
    return {name: Drawn(found[:, i]) for i, name in enumerate(RANKED)}


def share(
    weights: Floats, part: tuple[Ints, Floats | Mask], whole: tuple[Ints, Floats | Mask], *, scale: float = 0.0
) -> Drawn:
    """Sum of a part over the sum of a whole in each draw, each given as owner and value, shape (m,).

    Parameters
    ----------
    scale
        For rates, which are no shares: what to multiply by; 0 for shares.
    """
    above, below = (by_device(weights, *each) for each in (part, whole))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (weights @ above) / (weights @ below)
    return Drawn(values * scale) if scale > 0 else Drawn(values, int((below > 0).sum()))


def by_device(weights: Floats, owner: Ints, values: Floats | Mask) -> Floats:
    """Sum of the values of each device, shape (devices,)."""
    return summed(owner, values.astype(np.float64), weights.shape[1])


def summed(number: Ints, values: Floats, n: int) -> Floats:
    """Sum of the values of each number, shape (n,)."""
    return np.bincount(number, weights=values, minlength=n).astype(np.float64)


def flag_draws(rows: Rows, flagged: Mask, weights: Floats) -> dict[str, Drawn]:
    """Metrics of flags and of failures in each draw; what is flagged at a threshold is flagged in every draw."""
    known, needless = rows.known, rows.known & ~rows.event
    hits, whole = (rows.owner, flagged & known & rows.event), (rows.owner, known)
    found = (rows.failure_owner, ~np.isnan(lead_times(rows, flagged)))
    per_month = int(known.sum()) / rows.device_months if known.any() else 1.0
    visits = (rows.owner, visited(rows, flagged) & needless)
    return {
        "precision": share(weights, hits, (rows.owner, flagged & known)),
        "recall": share(weights, hits, (rows.owner, rows.event & known)),
        "recall_per_failure": share(weights, found, (rows.failure_owner, np.ones(len(rows.failure_us)))),
        "false_alarms_per_device_month": share(weights, (rows.owner, flagged & needless), whole, scale=per_month),
        "false_visits_per_1000_device_months": share(weights, visits, whole, scale=1000 * per_month),
    }


@dataclass(frozen=True)
class Budgeted:
    """Rows ranked at each cutoff, for budgets that are spent anew in every draw.

    Where a run of equal probabilities does not fit into what is left of a budget, each of its rows has the same chance
    to be visited; metrics are the expected ones, so that ties need no random draws of their own.

    Attributes
    ----------
    rows
        Those that a budget may reach, m of the n rows, in their order; failures are those of all rows.
    failure_owner
        Number of the device of each failure, shape (F,).
    run
        Run of equal probabilities of each row, numbered by cutoff, then falling probability, shape (m,).
    cutoff
        Number of the cutoff of each run, shape (runs,).
    all_owner, all_cutoff
        Device and cutoff number of all rows, shape (n,).
    months
        Watched time of each device, device-months, shape (devices,).
    """

    rows: Rows
    failure_owner: Ints
    run: Ints
    cutoff: Ints
    all_owner: Ints
    all_cutoff: Ints
    months: Floats

    @staticmethod
    def of(rows: Rows, probability: Floats, devices: int) -> Budgeted:
        """Rank n rows, n > 0.

        Kept are runs that begin among the first ``2 room + 50`` rows of their cutoff: that so many rows were drawn less
        than ``room`` times is seven standard deviations off.
        """
        ranking = Ranking.of(rows.cutoff_number, probability)
        p, cutoff = probability[ranking.order], ranking.cutoff[ranking.order]
        starts = run_starts((p[1:] != p[:-1]) | (cutoff[1:] != cutoff[:-1]), len(p))
        at = cutoff[starts]
        kept = starts - ranking.start[at] < 2 * np.ceil(max(BUDGETS.values()) * ranking.size[at]) + 50
        run = np.repeat(np.where(kept, np.cumsum(kept) - 1, -1), np.diff(np.append(starts, len(p))))
        number = np.empty(len(p), dtype=np.int64)
        number[ranking.order] = run
        within = number >= 0
        month = rows.device_months / max(1, int(rows.known.sum()))
        return Budgeted(
            _taken(rows, within),
            rows.failure_owner,
            number[within],
            at[kept],
            rows.owner,
            rows.cutoff_number,
            summed(rows.owner, (rows.known * month).astype(np.float64), devices),
        )

    @cached_property
    def _ends(self) -> Ints:
        return visit_ends(self.rows)

    def chances(self, weights: Floats) -> Iterator[tuple[str, Floats]]:
        """Each budget and the chance of each row kept to be visited in one draw, shape (m,)."""
        total = np.bincount(self.all_cutoff, weights=weights[self.all_owner])
        size = summed(self.run, weights[self.rows.owner], len(self.cutoff))
        kept = summed(self.cutoff, size, len(total))
        before = np.cumsum(size) - size - (np.cumsum(kept) - kept)[self.cutoff]
        for name, budget in BUDGETS.items():
            room = np.ceil(np.round(budget * total, 9))[self.cutoff] - before
            yield name, np.clip(room / np.maximum(size, 1.0), 0.0, 1.0)[self.run]

    def metrics(self, chance: Floats, weights: Floats) -> Floats:
        """Precision, recall per failure, false alarms a device-month and false visits per 1,000 of one draw."""
        chosen = np.flatnonzero(chance)
        rows, chance = _taken(self.rows, chosen), chance[chosen]
        weight = weights[rows.owner] * rows.known
        spent = weight * chance
        visits = visit_chances(rows.owner, rows.cutoff_us, chance, self._ends[chosen])
        missed = np.ones(len(rows.failure_us))
        np.multiply.at(missed, rows.failure[rows.in_time], 1.0 - chance[rows.in_time])
        failing, months = weights[self.failure_owner], weights @ self.months
        true, all_spent = spent @ rows.event, spent.sum()
        needless = (weight * visits) @ ~rows.event
        parts = np.array([true, failing @ (1.0 - missed), all_spent - true, 1000 * needless])
        with np.errstate(invalid="ignore", divide="ignore"):
            return parts / np.array([all_spent, failing.sum(), months, months])


def _taken(rows: Rows, chosen: Mask | Ints) -> Rows:
    """Some of the rows; the failures stay."""
    return replace(
        rows,
        owner=rows.owner[chosen],
        cutoff_us=rows.cutoff_us[chosen],
        failure=rows.failure[chosen],
        known=rows.known[chosen],
    )


BUDGET_METRICS: Final = (
    "precision",
    "recall_per_failure",
    "false_alarms_per_device_month",
    "false_visits_per_1000_device_months",
)


def expected_budgets(rows: Rows, probability: Floats) -> dict[str, dict[str, float | None]]:
    """Budget -> metrics of all devices, ties by their chances instead of by random draws; None where undefined."""
    if len(probability) == 0:
        return {name: {} for name in BUDGETS}
    devices = 1 + int(max(rows.owner.max(), rows.failure_owner.max(initial=-1)))
    ranked, each = Budgeted.of(rows, probability, devices), np.ones(devices)
    found = {name: ranked.metrics(chance, each).tolist() for name, chance in ranked.chances(each)}
    return {
        name: {
            metric: value if np.isfinite(value) else None for metric, value in zip(BUDGET_METRICS, values, strict=True)
        }
        for name, values in found.items()
    }


def budget_draws(rows: Rows, probability: Floats, weights: Floats) -> dict[str, dict[str, Drawn]]:
    """Budget -> metrics in each draw; in each the riskiest of the devices drawn are flagged anew."""
    if len(probability) == 0:
        return {name: {each: Drawn(np.full(len(weights), np.nan)) for each in BUDGET_METRICS} for name in BUDGETS}
    ranked = Budgeted.of(rows, probability, weights.shape[1])
    found: dict[str, list[Floats]] = {name: [] for name in BUDGETS}
    for each in weights:
        for name, chance in ranked.chances(each):
            found[name].append(ranked.metrics(chance, each))
    failing = len(np.unique(rows.failure_owner))
    visited_devices = {
        name: len(np.unique(ranked.rows.owner[(chance > 0) & ranked.rows.known]))
        for name, chance in ranked.chances(np.ones(weights.shape[1]))
    }
    return {
        name: {
            each: Drawn(values, devices)
            for each, values, devices in zip(
                BUDGET_METRICS,
                np.array(found[name]).reshape(-1, 4).T,
                (visited_devices[name], failing, 0, 0),
                strict=True,
            )
        }
        for name in BUDGETS
    }
