"""Running statistics of one unit's channels: row c is computed from rows up to c, in one order, equal to the bit.

A cumulative sum adds row by row, so cutting the rows after c leaves every sum up to c as it was.
"""

from __future__ import annotations

import numpy as np

from aftercast.models.aliases import Floats, Ints


class Sums:
    """Sums over windows of the last cycles of a unit.

    Parameters
    ----------
    cycles
        Strictly increasing, n.
    values
        Channels, n x q.
    """

    def __init__(self, cycles: Floats, values: Floats) -> None:
        self.cycles = cycles
        self.values = values
        self.time = cycles - cycles[0]
        self._total = _running(values)
        self._product = _running(values * self.time[:, None])
        self._time = _running(self.time[:, None])
        self._time_squares = _running(self.time[:, None] ** 2)

    def first_rows(self, span: float) -> Ints:
        """First row with a cycle in (c - span, c] for each row of cycle c."""
        return np.searchsorted(self.cycles, self.cycles - span, side="right").astype(np.int64)

    def mean(self, span: float) -> Floats:
        """Mean over (c - span, c], n x q."""
        first = self.first_rows(span)
        return _between(self._total, first) / _counts(first)

    def slope(self, span: float) -> Floats:
        """Least squares slope per cycle over (c - span, c], n x q; 0 where the window holds fewer than 3 rows."""
        first = self.first_rows(span)
        count = _counts(first)
        time = _between(self._time, first)
        products = count * _between(self._product, first) - time * _between(self._total, first)
        squares = count * _between(self._time_squares, first) - time**2
        enough = count >= 3
        return np.where(enough, products / np.where(enough, squares, 1.0), 0.0)

    def baseline(self, span: float) -> Floats:
        """Mean over the unit's first ``span`` cycles as far as they have passed at c, n x q."""
        inside = int(np.searchsorted(self.time, span, side="left"))
        last = np.minimum(np.arange(len(self.time)), inside - 1)
        return self._total[last + 1] / (last + 1.0)[:, None]


def _running(values: Floats) -> Floats:
    """Cumulative sums with a row of zeros before them, (n + 1) x q."""
    return np.concatenate((np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)))


def _between(running: Floats, first: Ints) -> Floats:
    return running[1:] - running[first]


def _counts(first: Ints) -> Floats:
    return (np.arange(1, len(first) + 1) - first).astype(np.float64)[:, None]
