"""Counts that reach past the cutoff: to the end of its day or to the next cutoff, as a join by date makes them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aftercast.features.replay.report import Finding
from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.leakage.panel import Panel
from aftercast.operations.clocks import DAY_US, format_duration

NAME = "inclusive_cutoff"
LEAST_EVENTS = 5  # of so many events, dealt to all rows, an exact match by chance is out of the question
WINDOWS_US = (0, DAY_US, 7 * DAY_US, 30 * DAY_US)


def find(panel: Panel) -> Iterator[Finding]:
    """Labels with an event at the cutoff itself, and columns that count events after it."""
    at_cutoff = (panel.labels.time_to_event_us <= 0).any(axis=1)
    if at_cutoff.any():
        reason = f"{at_cutoff.sum()} rows have an event at the cutoff itself, which their features may know."
        yield Finding(NAME, "labels", "stop", reason, {"rows": int(at_cutoff.sum())})
    names = panel.names
    for outcome in panel.outcomes:
        for ends, about in _ends(panel):
            counts = _Counts(panel, outcome, ends)
            for name in names:
                window = counts.matched(panel.values(name))
                if window is not None:
                    yield _finding(name, outcome, about, window, int(counts.late.sum()))


def blind(panel: Panel) -> str:
    """Events must follow within a day of cutoffs."""
    soon = max((int((panel.time_to(name) <= DAY_US).sum()) for name in panel.outcomes), default=0)
    return (
        ""
        if soon >= LEAST_EVENTS
        else f"not judged: {soon} rows have an event within a day, {LEAST_EVENTS} are the least"
    )


def _ends(panel: Panel) -> Iterator[tuple[Ints, str]]:
    """Ends of windows after the cutoff, each once."""
    day_end = (panel.cutoffs // DAY_US + 1) * DAY_US
    yield day_end, "the end of the cutoff's day"
    step = panel.cutoffs + panel.step_us
    if not np.array_equal(step, day_end):
        yield step, f"the next cutoff, {format_duration(panel.step_us)} later"


class _Counts:
    """Events of an outcome up to an end after the cutoff, in windows of several lengths."""

    def __init__(self, panel: Panel, outcome: str, ends: Ints) -> None:
        events = panel.events(outcome)
        first = panel.cutoffs[panel.starts][panel.owner]
        self.owner = panel.owner
        self.known = panel.follow_up(outcome) >= ends - panel.cutoffs
        self.late: Mask = (panel.counted(events, panel.cutoffs, ends) > 0) & self.known
        self.life = panel.counted(events, first, ends).astype(np.float64)
        self.windows = {
            window: (
                panel.counted(events, panel.cutoffs - window, ends),
                self.known & (panel.cutoffs - window >= first),
            )
            for window in WINDOWS_US
        }

    def matched(self, values: Floats) -> str | None:
        """The window whose count the values are in every known row, None where there is none."""
        if self.late.sum() < LEAST_EVENTS:
            return None
        for window, (count, rows) in self.windows.items():
            enough = (rows & self.late).sum() >= LEAST_EVENTS
            if enough and (_equal(values[rows], count[rows]) or _equal(values[rows], count[rows] > 0)):
                return format_duration(window) if window > 0 else "none"
        surplus = values - self.life
        rows = self.known & np.isfinite(surplus)
        same = self.owner[rows][1:] == self.owner[rows][:-1]
        steady = np.diff(surplus[rows])[same] == 0.0
        return "life" if (rows & self.late).sum() >= LEAST_EVENTS and steady.all() and rows.mean() > 0.5 else None


def _equal(values: Floats, counts: Floats | Ints | Mask) -> bool:
    return bool(np.array_equal(values, counts.astype(np.float64)))


def _finding(name: str, outcome: str, end: str, window: str, events: int) -> Finding:
    before = {"none": "", "life": " of the whole life"}.get(window, f" of the {window} before the cutoff")
    reason = f"counts the events ({outcome}){before} up to {end}: {events} rows tell of an event after their cutoff."
    return Finding(NAME, name, "stop", reason, {"rows_after": events})
