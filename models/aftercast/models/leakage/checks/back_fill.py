"""A value that stands in the rows before the record it comes from: filled backwards, or interpolated towards it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from aftercast.features.replay.report import Finding
from aftercast.models.aliases import Floats, Mask
from aftercast.models.leakage.panel import FLOAT32_TOLERANCE, Panel
from aftercast.operations.clocks import NEVER

NAME: Final = "back_fill"
LEAST_GAPS: Final = 10
LEAST_LIVES: Final = 10
PROBES: Final = 256


class _Gaps(NamedTuple):
    """Rows where a column is missing and a later row of the same life has a value that was not yet seen."""

    rows: Mask
    following: Floats
    straight: Floats


def find(panel: Panel) -> Iterator[Finding]:
    """Columns that fill the gaps of another one from later, and values of events that stand before the first one."""
    yield from _of_gaps(panel)
    for outcome in panel.outcomes:
        yield from _of_events(panel, outcome)


def blind(panel: Panel) -> str:
    """A column with gaps, or lives with rows before their first and after their last event, must be there."""
    gaps = any(np.isnan(panel.values(name)).any() for name in panel.names)
    events = any(len(panel.events(name).at_us) > 0 for name in panel.outcomes)
    return "" if gaps or events else "not judged: no column has gaps and no events are known"


def _of_gaps(panel: Panel) -> Iterator[Finding]:
    chance = np.random.default_rng(0)
    for gappy in panel.names:
        raw = panel.values(gappy)
        present = np.flatnonzero(np.isfinite(raw))
        if len(present) == len(raw) or len(present) == 0 or np.ptp(raw[present]) == 0.0:
            continue
        gaps = _gaps(panel, raw)
        if gaps.rows.sum() < LEAST_GAPS:
            continue
        probe = chance.choice(present, min(PROBES, len(present)), replace=False)
        for name in panel.names:
            values = panel.values(name)
            if name == gappy or not np.array_equal(values[probe], raw[probe]):
                continue
            yield from _filled(panel, name, gappy, gaps, values)


def _gaps(panel: Panel, raw: Floats) -> _Gaps:
    by = pd.Series(raw).groupby(panel.owner)
    following, previous = by.bfill().to_numpy(dtype=np.float64), by.ffill().to_numpy(dtype=np.float64)
    at = pd.Series(np.where(np.isfinite(raw), panel.cutoffs, np.nan)).groupby(panel.owner)
    after, before = at.bfill().to_numpy(dtype=np.float64), at.ffill().to_numpy(dtype=np.float64)
    rows = np.isnan(raw) & np.isfinite(following) & (following != previous)
    span = np.where(after > before, after - before, np.nan)
    straight = previous + (following - previous) * (panel.cutoffs - before) / span
    return _Gaps(rows, np.asarray(following, np.float64), np.asarray(straight, np.float64))


def _filled(panel: Panel, name: str, gappy: str, gaps: _Gaps, values: Floats) -> Iterator[Finding]:
    ways = (("the next value", gaps.following), ("the straight line to the next value", gaps.straight))
    for about, filling in ways:
        rows = gaps.rows & np.isfinite(filling)
        equal = np.isclose(values[rows], filling[rows], rtol=FLOAT32_TOLERANCE, atol=0.0)
        if rows.sum() >= LEAST_GAPS and equal.mean() >= panel.settings.share:
            reason = f"fills the gaps of {gappy} with {about}, known only later, in {equal.sum()} of {rows.sum()} rows."
            yield Finding(NAME, name, "stop", reason, {"gaps": int(rows.sum()), "equal": int(equal.sum())})
            return


def _of_events(panel: Panel, outcome: str) -> Iterator[Finding]:
    """What comes with an event is missing before the first one; filled backwards it is missing after the last one."""
    behind = _behind(panel, outcome)
    before = (panel.time_to(outcome) != NEVER) & (behind == 0)
    after = (panel.time_to(outcome) == NEVER) & (behind > 0)
    lives = np.intersect1d(panel.owner[before], panel.owner[after])
    if len(lives) < LEAST_LIVES:
        return
    chosen = np.isin(panel.owner, lives)
    for name in panel.names:
        there = np.isfinite(panel.values(name))
        early, late = there[before & chosen].mean(), there[after & chosen].mean()
        if early >= panel.settings.share and late <= 1 - panel.settings.share:
            reason = (
                f"is there in {early:.0%} of the rows before the first event ({outcome}) of {len(lives)} lives and "
                f"missing in {1 - late:.0%} of those after the last: it is filled backwards from the events."
            )
            yield Finding(NAME, name, "stop", reason, {"lives": len(lives), "before": early, "missing_after": 1 - late})
            continue
        yield from _steady_before_first(panel, name, outcome, behind)


def _behind(panel: Panel, outcome: str) -> np.ndarray:
    """Events of each row's life up to its cutoff, since the first cutoff, shape (n,)."""
    first = panel.cutoffs[panel.starts][panel.owner]
    return panel.counted(panel.events(outcome), first, panel.cutoffs)


def _steady_before_first(panel: Panel, name: str, outcome: str, behind: np.ndarray) -> Iterator[Finding]:
    """A value carried by events changes at each of them; filled backwards it does not at the first (or the last)."""
    values = panel.values(name)
    same = panel.owner[1:] == panel.owner[:-1]
    changed = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1])) & same
    passed = (np.diff(behind) > 0) & same
    if passed.sum() == 0 or changed.sum() == 0 or (changed & passed).sum() < panel.settings.share * changed.sum():
        return
    total = np.zeros(len(panel.starts))
    np.maximum.at(total, panel.owner, behind)
    several = total[panel.owner[1:]] > 1
    ends = {
        "first": passed & several & (behind[:-1] == 0),
        "last": passed & several & (behind[1:] == total[panel.owner[1:]]),
    }
    for about, steps in ends.items():
        others = several & ~steps
        if steps.sum() < LEAST_LIVES or others.sum() < LEAST_LIVES or changed[steps].any():
            continue
        usual = changed[others].mean()
        if (1 - usual) ** steps.sum() < panel.settings.chance:
            reason = (
                f"changes at {usual:.0%} of {int(others.sum())} events ({outcome}) but never at the {about} of "
                f"{int(steps.sum())} lives: its value there comes from a later one or is filled backwards."
            )
            yield Finding(NAME, name, "stop", reason, {"lives": int(steps.sum()), "usual": float(usual)})
