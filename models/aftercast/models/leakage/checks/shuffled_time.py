"""A column whose tie to the outcome survives shuffling its cutoffs, and which holds past and future in balance.

A column that hardly changes within a life keeps its association with the outcome when the cutoffs of a device are
shuffled. So does an honest trait. What an honest trait cannot do: given it, many events in one half of the time must
not mean few in the other. Given a statistic of the whole life they do, because it fixes their sum (a collider; Pearl
2009, sec. 1.2.3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from scipy.stats import norm, rankdata

from aftercast.features.replay.report import Finding, Severity
from aftercast.models.aliases import Floats, Ints
from aftercast.models.leakage.panel import Panel

NAME: Final = "shuffled_time"
BLOCKS: Final = 10
LEAST_DEVICES: Final = 30
SURVIVING: Final = 0.95  # share of the variance of ranks that lies between devices
BALANCE: Final = -0.7
ODD: Final = -0.3  # parts that are renewed fail at a rhythm, which balances the halves somewhat, too


def find(panel: Panel) -> Iterator[Finding]:
    """Columns that stay the same within lives and balance the halves of the time."""
    slow = [name for name in panel.names if _between(panel, panel.values(name)) >= SURVIVING]
    level = panel.settings.statistical_chance / max(len(slow) * len(panel.outcomes), 1)
    for outcome in panel.outcomes:
        halves = _halves(panel, outcome)
        failing = int((halves.sum(axis=0) > 0).sum())
        if failing < LEAST_DEVICES:
            continue
        usual = min(_correlation(halves, np.zeros(halves.shape[1], dtype=np.int64))[0], 0.0)
        for name in slow:
            groups = _groups(panel.values(name)[panel.starts])
            given, freedom = _correlation(halves, groups)
            if freedom < LEAST_DEVICES // 2 or given > ODD:
                continue
            z = (np.arctanh(max(given, -0.999999)) - np.arctanh(usual)) * np.sqrt(freedom)
            if norm.cdf(z) < level:
                yield _finding(name, outcome, given, usual, failing)


def blind(panel: Panel) -> str:
    """Enough devices must have events."""
    failing = max((int((_halves(panel, name).sum(axis=0) > 0).sum()) for name in panel.outcomes), default=0)
    return "" if failing >= LEAST_DEVICES else f"not judged: {failing} ids have events, {LEAST_DEVICES} are the least"


def _between(panel: Panel, values: Floats) -> float:
    """Share of the variance of ranks between devices: what remains of a column when its cutoffs are shuffled."""
    ranks = rankdata(np.where(np.isnan(values), -np.inf, values))
    total = ranks.var()
    if total == 0.0:
        return 0.0
    size = panel.lasts - panel.starts + 1
    means = np.add.reduceat(ranks, panel.starts) / size
    return float((size * (means - ranks.mean()) ** 2).sum() / len(ranks) / total)


def _halves(panel: Panel, outcome: str) -> Floats:
    """Events of each device in odd and in even blocks of the time, shape (2, d)."""
    events = panel.events(outcome)
    begin, end = panel.cutoffs.min(), panel.cutoffs.max() + 1
    block = np.clip((events.at_us - begin) * BLOCKS // (end - begin), 0, BLOCKS - 1)
    counts = [np.bincount(events.owner[block % 2 == half], minlength=len(panel.starts)) for half in (0, 1)]
    return np.array(counts, dtype=np.float64)


def _groups(values: Floats) -> Ints:
    """Group of each device by its value, by threes of neighbours where there are too many values, shape (d,)."""
    filled = np.where(np.isnan(values), -np.inf, values)
    distinct, codes = np.unique(filled, return_inverse=True)
    if len(distinct) <= len(values) // 3:
        return codes.astype(np.int64)
    return (rankdata(filled, method="ordinal") - 1).astype(np.int64) // 3


def _correlation(halves: Floats, groups: Ints) -> tuple[float, int]:
    """Correlation of the halves within groups, and its degrees of freedom."""
    size = np.bincount(groups)
    left, right = (side - (np.bincount(groups, weights=side) / size)[groups] for side in halves)
    scale = np.sqrt((left**2).sum() * (right**2).sum())
    freedom = len(groups) - int((size > 0).sum()) - 2
    return (float((left * right).sum() / scale) if scale > 0 else 0.0), freedom


def _finding(name: str, outcome: str, given: float, usual: float, failing: int) -> Finding:
    reason = (
        f"survives shuffling the cutoffs, and given it the events ({outcome}) of odd and even times of {failing} "
        f"devices balance each other (correlation {given:.2f}, else {usual:.2f}), as if it knew their sum."
    )
    severity: Severity = "stop" if given <= BALANCE else "warning"
    return Finding(NAME, name, severity, reason, {"correlation": given, "usual": usual, "devices": failing})
