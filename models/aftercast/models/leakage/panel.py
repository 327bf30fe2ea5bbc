"""A feature matrix with what happened, as the checks of columns see it: rows by id and time, events, chances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaln

from aftercast.features.examples import Examples
from aftercast.features.labels import Labels
from aftercast.models.aliases import Floats, Ints
from aftercast.models.leakage.settings import LeakageSettings
from aftercast.operations.clocks import NEVER, to_us

ANY = "any"
FLOAT32_TOLERANCE = 1e-5  # features are float32: 24 bits, and an affine relation loses some of them


class Events(NamedTuple):
    """Distinct events that the labels tell of: owner (number of the id) and time, both shape (m,), sorted."""

    owner: Ints
    at_us: Ints


@dataclass(frozen=True)
class Panel:
    """Rows of a feature matrix sorted by id and cutoff, with their labels.

    Attributes
    ----------
    features
        n rows aligned with examples and labels.
    attributes
        Columns declared to be known from the start of each life; constants among them are no finding.
    sources
        Column -> when the record its value was taken from became known, microseconds, shape (n,); NEVER where missing.
    horizons_us
        Ascending.
    """

    features: pd.DataFrame
    examples: Examples
    labels: Labels
    attributes: frozenset[str]
    sources: Mapping[str, Ints]
    horizons_us: tuple[int, ...]
    settings: LeakageSettings
    _values: dict[str, Floats] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns to judge: those that are not declared attributes."""
        return tuple(name for name in map(str, self.features.columns) if name not in self.attributes)

    @cached_property
    def starts(self) -> Ints:
        """First row of each id, shape (d,)."""
        return np.flatnonzero(np.append(True, self.examples.ids[1:] != self.examples.ids[:-1])).astype(np.int64)

    @cached_property
    def lasts(self) -> Ints:
        """Last row of each id, shape (d,)."""
        return np.append(self.starts[1:], len(self.examples)) - 1

    @cached_property
    def owner(self) -> Ints:
        """Number of the id of each row, shape (n,)."""
        return np.repeat(np.arange(len(self.starts)), self.lasts - self.starts + 1)

    @property
    def cutoffs(self) -> Ints:
        """Cutoffs, shape (n,), microseconds."""
        return self.examples.cutoff_us

    @cached_property
    def step_us(self) -> int:
        """Usual time between two cutoffs of an id."""
        same = self.owner[1:] == self.owner[:-1]
        steps = np.diff(self.cutoffs)[same]
        return int(np.median(steps)) if len(steps) > 0 else 0

    def values(self, name: str) -> Floats:
        """Column as float64, NaN for missing; texts by the rank of their category, times in microseconds."""
        if name not in self._values:
            self._values[name] = _numbers(self.features[name])
        return self._values[name]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Every component, and any of them where there are several."""
        components = self.labels.components
        return (*components, ANY) if len(components) > 1 else components

    def time_to(self, outcome: str) -> Ints:
        """Time to the next event of a component or of any, NEVER where none was seen, shape (n,)."""
        if outcome == ANY:
            return np.asarray(self.labels.time_to_event_us.min(axis=1))
        return np.asarray(self.labels.time_to_event_us[:, self.labels.components.index(outcome)])

    def follow_up(self, outcome: str) -> Ints:
        """How long each row was observed for a component, or for all of them, shape (n,)."""
        if outcome == ANY:
            return np.asarray(self.labels.follow_up_us.min(axis=1))
        return np.asarray(self.labels.follow_up_us[:, self.labels.components.index(outcome)])

    def events(self, outcome: str) -> Events:
        """Distinct events after the first cutoff of each id."""
        wait = self.time_to(outcome)
        seen = wait != NEVER
        pairs = np.unique(np.column_stack([self.owner[seen], self.cutoffs[seen] + wait[seen]]), axis=0)
        return Events(pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64))

    def counted(self, events: Events, since_us: Ints, until_us: Ints) -> Ints:
        """Events of each row's id in ``(since, until]``, shape (n,)."""
        order = np.lexsort((events.at_us, events.owner))
        at = events.at_us[order]
        offsets = np.searchsorted(events.owner[order], np.arange(len(self.starts) + 1))
        found = np.zeros(len(self.examples), dtype=np.int64)
        for d in range(len(self.starts)):
            rows = slice(self.starts[d], self.lasts[d] + 1)
            own = at[offsets[d] : offsets[d + 1]]
            found[rows] = np.searchsorted(own, until_us[rows], "right") - np.searchsorted(own, since_us[rows], "right")
        return found


def _numbers(values: pd.Series) -> Floats:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        moments = to_us(values)
        return np.where(moments == NEVER, np.nan, moments.astype(np.float64))
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    codes, _ = pd.factorize(values.astype(object), sort=True)
    return np.where(codes < 0, np.nan, codes).astype(np.float64)


def log10_arrangements(values: npt.ArrayLike) -> float:
    """Decimal logarithm of the number of ways to deal m values to m places: m! / product of (ties)!.

    A column that matches a statistic of the future in every place does so by chance in one of so many cases.

    >>> round(10 ** log10_arrangements([1, 1, 2]))
    3
    """
    counts = np.unique(np.asarray(values), return_counts=True)[1]
    return float((gammaln(counts.sum() + 1) - gammaln(counts + 1).sum()) / np.log(10.0))


def is_affine(x: Floats, y: Floats) -> bool:
    """Whether ``x = a y + b`` holds in every place up to the precision of float32, with a not 0, shapes (m,)."""
    spread = np.ptp(y)
    if len(x) < 3 or spread == 0.0 or np.ptp(x) == 0.0 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    low, high = int(np.argmin(y)), int(np.argmax(y))
    slope = (x[high] - x[low]) / spread
    error = np.abs(x[low] + slope * (y - y[low]) - x).max()
    return bool(slope != 0.0 and error <= FLOAT32_TOLERANCE * max(np.ptp(x), np.abs(x).max() * 0.01))
