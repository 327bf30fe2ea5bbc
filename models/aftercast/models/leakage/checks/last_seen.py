"""A column that tells how many records remain of a life, beyond what age and calendar say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from aftercast.features.replay.report import Finding, Severity
from aftercast.models.aliases import Floats, Mask
from aftercast.models.leakage.lives import Lives
from aftercast.models.leakage.panel import Panel, is_affine, log10_arrangements

NAME: Final = "last_seen"
LEAST_EARLY: Final = 10
WARNING_SHARE: Final = 2 / 3
REMAINING: Final = "the time until the last record"


def find(panel: Panel) -> Iterator[Finding]:
    """Columns that equal the remaining time or the length of the record, or rank devices by them."""
    lives, ends = Lives(panel), panel.cutoffs[panel.lasts]
    exact = log10_arrangements(ends) >= -np.log10(panel.settings.chance)
    remaining = (ends[panel.owner] - panel.cutoffs).astype(np.float64)
    early = (ends < ends.max() - 2 * panel.step_us)[panel.owner]
    left = _Ranked(panel, remaining, early) if len(np.unique(panel.owner[early])) >= LEAST_EARLY else None
    for name in panel.names:
        values = panel.values(name)
        about = _equal(panel, lives, name, remaining) if exact else None
        if about is not None:
            yield Finding(NAME, name, "stop", f"equals {about} in all its rows.", {"lives": len(ends)})
        elif left is not None:
            yield from _ranking(panel, name, left, values)


def blind(panel: Panel) -> str:
    """Lives must end at different times."""
    early = int((panel.cutoffs[panel.lasts] < panel.cutoffs.max() - 2 * panel.step_us).sum())
    told = f"{early} ids end before the others"
    return "" if early >= LEAST_EARLY else f"only exact matches: {told}, {LEAST_EARLY} are the least for ranks"


def _equal(panel: Panel, lives: Lives, name: str, remaining: Floats) -> str | None:
    """What of the end of the record a column equals up to unit and offset, None where nothing."""
    values = panel.values(name)
    if not lives.is_constant(name):
        there = np.isfinite(values)
        ends = np.unique(panel.owner[there])
        whole = there.mean() > 0.5 and log10_arrangements(panel.cutoffs[panel.lasts][ends]) >= -np.log10(
            panel.settings.chance
        )
        return REMAINING if whole and is_affine(values[there], remaining[there]) else None
    first, ends = panel.cutoffs[panel.starts], panel.cutoffs[panel.lasts]
    ways = {
        "the number of records of the life": lives.rows,
        "the time of the last record": ends,
        "the length of the record": ends - first,
    }
    for about, statistic in ways.items():
        told = log10_arrangements(statistic) >= -np.log10(panel.settings.chance)
        if told and is_affine(values[panel.starts], statistic.astype(np.float64)):
            return about
    return None


class _Ranked:
    """Remaining time of the lives that end before the others, ranked within each cutoff, age taken out."""

    def __init__(self, panel: Panel, remaining: Floats, early: Mask) -> None:
        self.rows = early
        self.cutoffs = panel.cutoffs[early]
        self.lives = len(np.unique(panel.owner[early]))
        self.age = self.ranked((panel.cutoffs - panel.cutoffs[panel.starts][panel.owner])[early].astype(np.float64))
        self.remaining = self.without_age(self.ranked(remaining[early]))

    def ranked(self, values: Floats) -> Floats:
        """Ranks within each cutoff around their mean; missing as a value of its own."""
        filled = pd.Series(np.where(np.isnan(values), -np.inf, values))
        by = filled.groupby(self.cutoffs)
        return np.asarray((by.rank() - (by.transform("size") + 1) / 2).to_numpy(), dtype=np.float64)

    def without_age(self, ranks: Floats) -> Floats:
        """Ranks less what the ranks of age explain."""
        spread = (self.age**2).sum()
        return ranks if spread == 0.0 else ranks - self.age * (ranks @ self.age) / spread

    def correlation(self, values: Floats) -> float:
        """Partial rank correlation of the values of these rows with the remaining time."""
        ranks = self.without_age(self.ranked(values))
        scale = np.sqrt((ranks**2).sum() * (self.remaining**2).sum())
        return float(ranks @ self.remaining / scale) if scale > 1e-9 * len(ranks) else 0.0


def _ranking(panel: Panel, name: str, left: _Ranked, values: Floats) -> Iterator[Finding]:
    limit = panel.settings.remaining
    found = left.correlation(values[left.rows])
    if abs(found) < limit * WARNING_SHARE:
        return
    reason = (
        f"ranks the {left.lives} lives that end early by {REMAINING}: rank correlation {found:.2f} within each cutoff, "
        "age taken out."
    )
    severity: Severity = "stop" if abs(found) >= limit else "warning"
    yield Finding(NAME, name, severity, reason, {"correlation": found, "lives": left.lives})
