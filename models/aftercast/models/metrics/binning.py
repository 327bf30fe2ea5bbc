"""Bins of rows by rising probability; rows of equal probability are never parted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aftercast.models.aliases import Floats, Ints


def equal_size(n: int, bins: int) -> Ints:
    """First row of every bin but the first, for at most so many bins of about equal size, of n sorted rows."""
    return np.linspace(0, n, min(bins, n) + 1).round().astype(np.int64)[1:-1]


def bin_starts(ascending: Floats, edges: npt.NDArray[np.integer]) -> Ints:
    """Where each bin of ascending probabilities begins; an edge within equal ones moves down to the first of them.

    >>> bin_starts(np.array([0.1, 0.2, 0.2, 0.3]), np.array([2])).tolist()
    [0, 1]
    """
    return np.unique(np.append(0, np.searchsorted(ascending, ascending[edges], side="left"))).astype(np.int64)
