"""What a feature view is: declared columns and the function that computes them from the history at the cutoffs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from aftercast.data.clocks import HOUR_US, NEVER, parse_duration_us
from aftercast.data.fleet import FleetSpec
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.examples import Examples, Grain
from aftercast.features.history import AttributeKind, History
from aftercast.features.records import Records
from aftercast.features.windows.arrays import Cells, Floats, Ints, Visible, make_cells, select
from aftercast.features.windows.blocks import window_statistics
from aftercast.features.windows.events import count_events, known_version, last_event

HistoryT = TypeVar("HistoryT", History, CustomerHistory)
Values = npt.NDArray[Any]
LOOK_BACK_HALF_LIVES: Final = 7  # the oldest record weighs 1/128; with the defaults this is the longest window
LIFE_US: Final = 2**61  # longer than any record is old, short enough that T - LIFE_US does not overflow


@dataclass(frozen=True)
class Feature:
    """One declared column.

    Attributes
    ----------
    name
        ``<quantity>_<statistic>_<window>``.
    unit
        Unit of the value, empty for shares, flags and categories.
    about
        One sentence, with the meaning of missing.
    view
        The view that computes it.
    kind
        ``number`` is float32 with NaN for missing, ``category`` text.
    """

    name: str
    unit: str
    about: str
    view: str
    kind: AttributeKind = "number"


@dataclass(frozen=True)
class Scope:
    """What the columns of a view depend on: the fleet spec and the attributes present."""

    spec: FleetSpec
    attributes: Mapping[str, AttributeKind] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[int, ...]:
        """Windows of telemetry, ascending, microseconds."""
        return _spans(self.spec.features.windows)

    @property
    def event_windows(self) -> tuple[int, ...]:
        """Windows of events, ascending, microseconds."""
        return _spans(self.spec.features.event_windows)

    @property
    def trend_window(self) -> int:
        """Window of the trend, microseconds."""
        return parse_duration_us(self.spec.features.trend_window)

    @property
    def half_life(self) -> int:
        """Half-life of the exponential mean, microseconds."""
        return parse_duration_us(self.spec.features.half_life)

    @property
    def full_windows(self) -> tuple[int, int]:
        """Windows of the trend and of the exponential mean, whose weights are cut off after 7 half-lives."""
        return self.trend_window, LOOK_BACK_HALF_LIVES * self.half_life

    @property
    def levels(self) -> tuple[str, ...]:
        """Sensors whose level means something: those that do not count up."""
        return tuple(s.name for s in self.spec.sensors if not s.cumulative)

    @property
    def counters(self) -> tuple[str, ...]:
        """Sensors that count up over the device's life."""
        return tuple(s.name for s in self.spec.sensors if s.cumulative)

    @property
    def codes(self) -> tuple[str, ...]:
        """Fault codes of the spec."""
        return tuple(f.code for f in self.spec.fault_codes)

    def unit(self, sensor: str) -> str:
        """Unit of a sensor."""
        return next(s.unit for s in self.spec.sensors if s.name == sensor)


def _spans(texts: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(sorted({parse_duration_us(text) for text in texts}))


def label(window_us: int) -> str:
    """Window in hours as column names carry it.

    >>> label(7 * DAY_US)
    '168h'
    """
    return f"{window_us / HOUR_US:g}h"


@dataclass(frozen=True)
class FeatureView(Generic[HistoryT]):
    """A topic of features.

    Attributes
    ----------
    name
        Topic, the name of its file.
    grain
        One row per (grain, cutoff).
    features
        Columns for a scope; the same scope gives the same columns whatever the data.
    compute
        Columns by name, each of shape (n,), for the examples of a context. What is computed for a row may depend only
        on what was visible at its cutoff.
    """

    name: str
    grain: Grain
    features: Callable[[Scope], list[Feature]]
    compute: Callable[[Context[HistoryT]], dict[str, Values]]


@dataclass(frozen=True)
class Context(Generic[HistoryT]):
    """History and examples of one computation, with what several views share.

    Attributes
    ----------
    offsets
        Examples of owner k are ``offsets[k]:offsets[k + 1]``.
    """

    history: HistoryT
    examples: Examples
    scope: Scope
    offsets: Ints
    force_slow: bool = False
    _shared: dict[tuple[str, int], Floats] = field(default_factory=dict)
    _cells: dict[str, Cells] = field(default_factory=dict)

    @property
    def cutoffs(self) -> Ints:
        """Cutoffs of the examples, shape (n,), microseconds."""
        return self.examples.cutoff_us

    def fact(self, records: Records, column: str, missing: Any) -> Values:
        """Value of a standing fact in the version known at each cutoff, ``missing`` where none is, shape (n,)."""
        values = records.columns[column]
        version = known_version(records.offsets, records.available_us, self.offsets, self.cutoffs)
        out = np.full(len(version), missing, dtype=values.dtype)
        out[version >= 0] = values[version[version >= 0]]
        return out

    def count(self, items: Visible, window_us: int = LIFE_US) -> Floats:
        """Visible records in ``(T - window, T]``, shape (n,)."""
        return np.asarray(count_events(items, self.offsets, self.cutoffs, window_us), dtype=np.float64)

    def since_last(self, items: Visible, unit_us: int) -> Floats:
        """Time since the last visible record in units, NaN where there is none, shape (n,)."""
        return self.age(self.last(items, items.event), unit_us)

    def last(self, items: Visible, values: Values) -> Ints:
        """Value (a time) of the last visible record, NEVER where there is none, shape (n,)."""
        position = last_event(items, self.offsets, self.cutoffs)
        if len(values) == 0:
            return np.full(len(position), NEVER, dtype=np.int64)
        return np.where(position >= 0, values[position], NEVER)

    def age(self, moments: Ints, unit_us: int) -> Floats:
        """Time from the moments to the cutoffs in units, NaN where a moment is NEVER, shape (n,)."""
        known = moments != NEVER
        return np.where(known, (self.cutoffs - np.where(known, moments, 0)) / unit_us, np.nan)

    def cells(self, sensor: str) -> Cells:
        """Cells of a sensor; a later row that lacks the value does not erase an earlier one."""
        if sensor not in self._cells:
            self._cells[sensor] = telemetry_cells(self.history.telemetry, sensor)  # type: ignore[union-attr]
        return self._cells[sensor]

    def windows(self, sensor: str, window_us: int, *, full: bool) -> Floats:
        """Statistics of a sensor in a window, shape (rows, n); see ``window_statistics``."""
        return window_statistics(
            self.cells(sensor),
            self.offsets,
            self.cutoffs,
            window_us,
            full=full,
            half_life_us=self.scope.half_life,
            force_slow=self.force_slow,
        )

    def shared_windows(self, sensor: str, window_us: int) -> Floats:
        """Like :meth:`windows`, kept for the views that come later."""
        key = (sensor, window_us)
        if key not in self._shared:
            self._shared[key] = self.windows(sensor, window_us, full=window_us in self.scope.full_windows)
        return self._shared[key]


def telemetry_cells(telemetry: Records, sensor: str) -> Cells:
    """Cells of one sensor, corrections resolved per cell."""
    values = telemetry.columns[sensor]
    present = ~np.isnan(values)
    if present.all():
        return make_cells(telemetry.visible, values, in_place=True)
    return make_cells(telemetry.take(present).visible, values[present], in_place=True)


def where(records: Records, mask: npt.NDArray[np.bool_]) -> Visible:
    """Visible versions of the records where mask is true; versions are resolved before they are chosen."""
    return select(records.visible, mask)


def number(name: str, unit: str, about: str) -> Feature:
    """Return a numeric feature; its view is filled in by the dictionary."""
    return Feature(name, unit, about, "")


def category(name: str, about: str) -> Feature:
    """Return a categorical feature; its view is filled in by the dictionary."""
    return Feature(name, "", about, "", "category")
