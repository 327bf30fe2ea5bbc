"""What a view computes from: history and examples, with the ways of reading records at the cutoffs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from aftercast.data.arrays import Floats, Ints, Mask
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.event_table import EventTable
from aftercast.features.examples import Examples
from aftercast.features.history import History
from aftercast.features.scope import Scope
from aftercast.features.windows.arrays import Cells, Visible, make_cells, select
from aftercast.features.windows.blocks import window_statistics
from aftercast.features.windows.events import count_events, known_version, last_event, median_gap
from aftercast.features.windows.state import DECAYED, LEVEL, TREND, Statistics
from aftercast.operations.clocks import NEVER

Values = npt.NDArray[Any]
LIFE_US: Final = 2**61  # longer than any record is old, short enough that T - LIFE_US does not overflow


@dataclass(frozen=True)
class Context:
    """Examples of one computation, and how records are read at their cutoffs.

    Without examples no kernel is called: a view that only declares its columns must not wait for their compilation.

    Attributes
    ----------
    offsets
        Examples of owner k are ``offsets[k]:offsets[k + 1]``.
    """

    examples: Examples
    scope: Scope
    offsets: Ints

    @property
    def cutoffs(self) -> Ints:
        """Cutoffs of the examples, shape (n,), microseconds."""
        return self.examples.cutoff_us

    def fact(self, records: EventTable, column: str, missing: Any) -> Values:
        """Value of a standing fact in the version known at each cutoff, ``missing`` where none is, shape (n,)."""
        values = records.columns[column]
        if len(self.cutoffs) == 0:
            return np.empty(0, dtype=values.dtype)
        version = known_version(records.offsets, records.available_us, self.offsets, self.cutoffs)
        out = np.full(len(version), missing, dtype=values.dtype)
        out[version >= 0] = values[version[version >= 0]]
        return out

    def count(self, items: Visible, window_us: int = LIFE_US) -> Floats:
        """Visible records in ``(T - window, T]``, shape (n,)."""
        if len(self.cutoffs) == 0:
            return np.empty(0)
        return np.asarray(count_events(items, self.offsets, self.cutoffs, window_us), dtype=np.float64)

    def since_last(self, items: Visible, unit_us: int) -> Floats:
        """Time since the last visible record in units, NaN where there is none, shape (n,)."""
        return self.age(self.last(items, items.event), unit_us)

    def last(self, items: Visible, values: Values) -> Ints:
        """Value (a time) of the last visible record, NEVER where there is none, shape (n,)."""
        if len(values) == 0 or len(self.cutoffs) == 0:
            return np.full(len(self.cutoffs), NEVER, dtype=np.int64)
        position = last_event(items, self.offsets, self.cutoffs)
        return np.where(position >= 0, values[position], NEVER)

    def median_gap(self, items: Visible, most: int) -> Floats:
        """Median of the last gaps between visible records, microseconds, NaN with fewer than two, shape (n,)."""
        if len(self.cutoffs) == 0:
            return np.empty(0)
        return np.asarray(median_gap(items, self.offsets, self.cutoffs, most), dtype=np.float64)

    def age(self, moments: Ints, unit_us: int) -> Floats:
        """Time from the moments to the cutoffs in units, NaN where a moment is NEVER, shape (n,)."""
        known = moments != NEVER
        return np.where(known, (self.cutoffs - np.where(known, moments, 0)) / unit_us, np.nan)


@dataclass(frozen=True)
class DeviceContext(Context):
    """Context of device views; window statistics that several views need are computed once.

    Attributes
    ----------
    force_slow
        See ``window_statistics``.
    """

    history: History
    force_slow: bool = False
    _shared: dict[tuple[str, int], Statistics] = field(default_factory=dict)
    _cells: dict[str, Cells] = field(default_factory=dict)

    def cells(self, sensor: str) -> Cells:
        """Cells of a sensor; a later row that lacks the value does not erase an earlier one."""
        if sensor not in self._cells:
            self._cells[sensor] = telemetry_cells(self.history.telemetry, sensor)
        return self._cells[sensor]

    def windows(self, sensor: str, window_us: int, wanted: int) -> Statistics:
        """Statistics of a sensor in a window; see ``window_statistics``."""
        return window_statistics(
            self.cells(sensor),
            self.offsets,
            self.cutoffs,
            window_us,
            wanted=wanted,
            half_life_us=self.scope.half_life,
            force_slow=self.force_slow,
        )

    def shared_windows(self, sensor: str, window_us: int) -> Statistics:
        """Level in a window, with trend or exponential mean in theirs, kept for the views that come later."""
        if not self._shared:
            self._share()
        return self._shared[sensor, window_us]

    def _share(self) -> None:
        """Compute all windows of all levels side by side; kernels let go of Python's lock."""
        scope = self.scope
        windows = sorted({*scope.windows, scope.trend_window, scope.look_back})
        keys = [(sensor, window) for sensor in scope.levels for window in windows]
        for sensor in scope.levels:
            self.cells(sensor)
        with ThreadPoolExecutor(numba.config.NUMBA_NUM_THREADS) as pool:
            self._shared.update(zip(keys, pool.map(self._shared_window, keys), strict=True))

    def _shared_window(self, key: tuple[str, int]) -> Statistics:
        sensor, window = key
        trend = TREND if window == self.scope.trend_window else 0
        decayed = DECAYED if window == self.scope.look_back else 0
        return self.windows(sensor, window, LEVEL | trend | decayed)


@dataclass(frozen=True)
class CustomerContext(Context):
    """Context of customer views."""

    history: CustomerHistory

    def statistics(self, cells: Cells, window_us: int) -> Statistics:
        """Level of values in a window; see ``window_statistics``."""
        return window_statistics(cells, self.offsets, self.cutoffs, window_us)


def telemetry_cells(telemetry: EventTable, sensor: str) -> Cells:
    """Cells of one sensor, corrections resolved per cell."""
    values = telemetry.columns[sensor]
    present = ~np.isnan(values)
    if present.all():
        return make_cells(telemetry.visible, values, in_place=True)
    return make_cells(replace(telemetry, columns={}).take(present).visible, values[present], in_place=True)


def values_of(records: EventTable, column: str) -> Cells:
    """Cells of a column whose records are resolved as a whole."""
    return make_cells(records.visible, records.columns[column], in_place=False)


def where(records: EventTable, mask: Mask) -> Visible:
    """Visible versions of the records where mask is true; versions are resolved before they are chosen."""
    return select(records.visible, mask)
