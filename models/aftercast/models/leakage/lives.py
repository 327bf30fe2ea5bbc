"""Statistics of whole lives: what a column can equal only if it has seen the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.leakage.panel import Panel

LEAST_ROWS: Final = 3


@dataclass(frozen=True)
class Lives:
    """Statistics by device over all rows of a panel, each of shape (d,); computed once."""

    panel: Panel
    _columns: dict[str, dict[str, Floats]] = field(default_factory=dict)
    _events: dict[str, Floats] = field(default_factory=dict)

    def is_constant(self, name: str) -> bool:
        """Whether a column never changes within a life of three rows or more, but differs between lives."""
        panel = self.panel
        values = panel.values(name)
        same = panel.owner[1:] == panel.owner[:-1]
        moved = (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1])) & same
        first = values[panel.starts]
        differs = len(np.unique(first[np.isfinite(first)])) > 1
        return bool(differs and not moved.any() and (self.rows >= LEAST_ROWS).mean() > 0.5)

    @property
    def rows(self) -> Ints:
        """Rows of each device."""
        return self.panel.lasts - self.panel.starts + 1

    def event_statistics(self) -> dict[str, Floats]:
        """Numbers, rates, first and last times of the events of each component and of any."""
        if self._events:
            return self._events
        panel = self.panel
        size = len(panel.starts)
        for outcome in panel.outcomes:
            events = panel.events(outcome)
            total = np.bincount(events.owner, minlength=size).astype(np.float64)
            first, last = np.full(size, np.nan), np.full(size, np.nan)
            first[events.owner[::-1]] = events.at_us[::-1]
            last[events.owner] = events.at_us
            self._events[f"the number of events ({outcome})"] = total
            self._events[f"whether there is an event ({outcome})"] = (total > 0).astype(np.float64)
            self._events[f"the events per time ({outcome})"] = total / self.rows
            self._events[f"the time per event ({outcome})"] = self.rows / np.where(total > 0, total, np.nan)
            self._events[f"the time of the first event ({outcome})"] = first
            self._events[f"the time of the last event ({outcome})"] = last
            self._events[f"the time to the first event ({outcome})"] = first - panel.cutoffs[panel.starts]
        return self._events

    def column_statistics(self, name: str) -> dict[str, Floats]:
        """Mean, standard deviations, extremes, sum, median and last value of a column."""
        if name not in self._columns:
            by = pd.Series(self.panel.values(name)).groupby(self.panel.owner)
            self._columns[name] = {
                "mean": _floats(by.mean()),
                "std": _floats(by.std(ddof=1)),
                "spread": _floats(by.std(ddof=0)),
                "least": _floats(by.min()),
                "greatest": _floats(by.max()),
                "sum": _floats(by.sum()),
                "median": _floats(by.median()),
                "last value": self.panel.values(name)[self.panel.lasts],
            }
        return self._columns[name]

    def ahead(self, name: str, statistic: Floats) -> Mask:
        """Where the first row alone would not give the statistic."""
        return np.asarray(self.panel.values(name)[self.panel.starts] != statistic)

    def distinct(self, name: str) -> Ints:
        """How many different values a column has in each life."""
        return np.asarray(pd.Series(self.panel.values(name)).groupby(self.panel.owner).nunique(), dtype=np.int64)


def _floats(values: pd.Series) -> Floats:
    return np.asarray(values, dtype=np.float64)
