"""Medians and their absolute deviations: of a device's own past at every cutoff, and of groups of neighbouring rows."""

from __future__ import annotations

# ruff: noqa: PLR0917 - compiled functions are called by position
from typing import Final

import numpy as np

from aftercast.features.windows.arrays import compiled
from aftercast.models.aliases import Floats, Ints

NORMAL: Final = 1.482602218505602  # median absolute deviation of a normal law -> its standard deviation


@compiled
def middle(ordered: Floats, n: int) -> float:
    """Median of the first n values of an ascending array."""
    return 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])


@compiled
def spread(ordered: Floats, n: int, centre: float, buffer: Floats) -> float:
    """1.4826 x median absolute deviation of the first n values of an ascending array; buffer has room for n."""
    right = np.searchsorted(ordered[:n], centre)
    left = right - 1
    for i in range(n // 2 + 1):
        below = centre - ordered[left] if left >= 0 else np.inf
        above = ordered[right] - centre if right < n else np.inf
        if below <= above:
            buffer[i] = below
            left -= 1
        else:
            buffer[i] = above
            right += 1
    return NORMAL * 0.5 * (buffer[(n - 1) // 2] + buffer[n // 2])


@compiled
def own_past(
    offsets: Ints, cutoffs: Ints, renewed: Ints, values: Floats, gap: int, span: int, minimum: int
) -> tuple[Floats, ...]:
    """Median, spread and number of a device's values at its earlier cutoffs in ``(T - gap - span, T - gap]``.

    Cutoffs at or before the last renewal known at T do not count.

    Parameters
    ----------
    offsets
        Rows of device k are ``offsets[k]:offsets[k + 1]``, ascending by cutoff; shape (devices + 1,).
    cutoffs, renewed
        Shape (n,), microseconds.
    values
        Shape (n,), NaN for missing.
    gap, span
        Microseconds.
    minimum
        With fewer values median and spread are NaN.

    Returns
    -------
    tuple
        Three arrays of shape (n,).
    """
    n = len(values)
    centre, scale, count = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
    for device in range(len(offsets) - 1):
        begin, end = offsets[device], offsets[device + 1]
        ordered, buffer = np.empty(end - begin + 1), np.empty(end - begin + 1)
        size, first, last = 0, begin, begin
        for i in range(begin, end):
            while last < end and cutoffs[last] <= cutoffs[i] - gap:
                if not np.isnan(values[last]):
                    at = np.searchsorted(ordered[:size], values[last])
                    for j in range(size, at, -1):
                        ordered[j] = ordered[j - 1]
                    ordered[at] = values[last]
                    size += 1
                last += 1
            oldest = max(cutoffs[i] - gap - span, renewed[i])
            while first < last and cutoffs[first] <= oldest:
                if not np.isnan(values[first]):
                    at = np.searchsorted(ordered[:size], values[first])
                    for j in range(at, size - 1):
                        ordered[j] = ordered[j + 1]
                    size -= 1
                first += 1
            count[i] = size
            if size >= minimum:
                centre[i] = middle(ordered, size)
                scale[i] = spread(ordered, size, centre[i], buffer)
    return centre, scale, count


@compiled
def group_middle(group: Ints, values: Floats, minimum: int) -> tuple[Floats, ...]:
    """Median, spread and number of values of each row's group of neighbouring rows, shape (n,) each.

    Median and spread are NaN where fewer than ``minimum`` rows of the group have a value.
    """
    n = len(values)
    centre, scale, count = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
    begin = 0
    while begin < n:
        end = begin
        while end < n and group[end] == group[begin]:
            end += 1
        present = values[begin:end]
        ordered = np.sort(present[~np.isnan(present)])
        count[begin:end] = len(ordered)
        if len(ordered) >= minimum:
            found = middle(ordered, len(ordered))
            width = spread(ordered, len(ordered), found, np.empty(len(ordered) + 1))
            centre[begin:end] = found
            scale[begin:end] = width
        begin = end
    return centre, scale, count
