"""Window statistics at arbitrary cutoffs by blocks: a window is the end of one block and the start of the next.

Time is cut into blocks of the window's length, anchored at the epoch: block k is ``(k * w, (k + 1) * w]``. Each record
keeps the aggregate from itself to the end of its block and from the start of its block to itself (van Herk 1992, Gil
and Werman 1993). Nothing is ever subtracted, so nothing cancels, and no record outside the window can touch the result.
"""

from __future__ import annotations

# ruff: noqa: PLR0917 - compiled functions are called by position
from typing import NamedTuple

import numpy as np

from aftercast.data.clocks import HOUR_US
from aftercast.features.windows.arrays import CLEAN, SLOW, Cells, Floats, Ints, compiled
from aftercast.features.windows.state import (
    BASE_WIDTH,
    COUNT,
    FIRST,
    FULL_WIDTH,
    HIGH,
    INCREASE,
    LAST,
    LOW,
    MEAN,
    OUT_ROWS,
    PRODUCTS,
    SQUARES,
    TIME,
    TIME_SQUARES,
    WEIGHT,
    WEIGHTED,
    add,
    grow,
    grow_rest,
    join,
    merge,
    read,
    read_base,
)


class Sums(NamedTuple):
    """Aggregates from a block's start to each record, from each record to its block's end, and of a whole window."""

    prefix: Floats
    suffix: Floats
    state: Floats


class Known(NamedTuple):
    """Latest instants from which records are known, over the same stretches."""

    prefix: Ints
    suffix: Ints


def window_statistics(
    cells: Cells,
    cut_offsets: Ints,
    cutoffs: Ints,
    window_us: int,
    *,
    full: bool,
    half_life_us: int,
    force_slow: bool = False,
) -> Floats:
    """Statistics of the visible records in ``(T - window, T]`` at each cutoff T.

    Parameters
    ----------
    cells
        Values by owner.
    cut_offsets, cutoffs
        Shape (n + 1,) and (m,): ascending cutoffs of each owner.
    full
        Whether exponential mean, trend and increase are wanted besides count, mean, std, min and max.
    half_life_us
        Half-life of the weights of the exponential mean.
    force_slow
        Recompute every cutoff from the visible versions; equal to the bit, for tests.

    Returns
    -------
    array, shape (OUT_ROWS, m)
        Rows as named in ``state``; those of ``full`` are unset without it.
    """
    out = np.empty((OUT_ROWS, len(cutoffs)))
    _window_statistics(cells, cut_offsets, cutoffs, window_us, full, float(half_life_us), force_slow, out)
    return out


@compiled
def _window_statistics(
    cells: Cells,
    cut_offsets: Ints,
    cutoffs: Ints,
    window: int,
    full: bool,
    half_life: float,
    force_slow: bool,
    out: Floats,
) -> None:
    width = FULL_WIDTH if full else BASE_WIDTH
    longest = np.max(np.diff(cells.offsets)) if len(cells.offsets) > 1 else 0
    known = Known(np.empty(longest, np.int64), np.empty(longest, np.int64))
    sums = Sums(np.empty((longest, width)), np.empty((longest, width)), np.zeros(width))
    for owner in range(len(cells.offsets) - 1):
        first, last = cut_offsets[owner], cut_offsets[owner + 1]
        if first < last:
            slow = force_slow or cells.mode[owner] == SLOW
            if not slow:
                _fill(cells, owner, window, half_life, full, sums, known)
            _owner_statistics(
                cells, owner, cutoffs[first:last], window, full, half_life, slow, sums, known, out[:, first:last]
            )


@compiled
def _owner_statistics(
    cells: Cells,
    owner: int,
    cutoffs: Ints,
    window: int,
    full: bool,
    half_life: float,
    slow: bool,
    sums: Sums,
    known: Known,
    out: Floats,
) -> None:
    begin, end = cells.offsets[owner], cells.offsets[owner + 1]
    event, since, first = cells.event[begin:end], cells.since[begin:end], cells.first[begin:end]
    checked = cells.mode[owner] != CLEAN
    low, middle, high = 0, 0, 0
    for column in range(len(cutoffs)):
        cutoff = cutoffs[column]
        edge = ((cutoff - 1) // window) * window
        low = _advance(event, low, cutoff - window)
        middle = _advance(event, middle, edge)
        high = _advance(event, high, cutoff)
        top = high
        if slow:
            top = -1
        elif checked:
            top = _visible_end(first, since, known, low, middle, high, cutoff)
        if top >= 0 and not full:
            _combine_base(sums.prefix, sums.suffix, low, middle, top, out, column)
            continue
        if top < 0:
            _recompute(cells, owner, cutoff, window, edge, half_life, full, sums.state)
        else:
            _combine(sums, low, middle, top, full)
        read(sums.state, out, column, full)


@compiled
def _advance(event: Ints, position: int, moment: int) -> int:
    """First position from the given one whose event lies after the moment."""
    while position < len(event) and event[position] <= moment:
        position += 1
    return position


@compiled
def _fill(cells: Cells, owner: int, window: int, half_life: float, full: bool, sums: Sums, known: Known) -> None:
    begin, end = cells.offsets[owner], cells.offsets[owner + 1]
    event = cells.event[begin:end]
    _fill_sums(event, cells.values[begin:end], window, half_life, full, sums)
    if cells.mode[owner] != CLEAN:
        _fill_known(event, cells.since[begin:end], window, known)


@compiled
def _fill_sums(event: Ints, value: Floats, window: int, half_life: float, full: bool, sums: Sums) -> None:
    """Aggregate from each block's start to each record, and from each record to its block's end."""
    _fill_base(event, value, window, sums.prefix, sums.suffix)
    if full:
        _fill_rest(event, value, window, half_life, sums.prefix, sums.suffix)


@compiled
def _fill_base(event: Ints, value: Floats, window: int, prefix: Floats, suffix: Floats) -> None:
    """Count, mean, squares and extremes in both directions in one loop: neither waits for the other's divisions.

    The running values are scalars, which stay in registers. Blocks are told by comparison, because dividing every time
    by the window would cost more than the statistics.
    """
    last = len(event) - 1
    start, stop = 0, 0
    n, mean, squares, low, high = 0.0, 0.0, 0.0, 0.0, 0.0
    m, other, rest, least, most = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(last + 1):
        if i == 0 or event[i] > start + window:
            start = ((event[i] - 1) // window) * window
            n, mean, squares = 0.0, 0.0, 0.0
        n, mean, squares, low, high = grow(n, mean, squares, low, high, value[i])
        prefix[i, COUNT], prefix[i, MEAN], prefix[i, SQUARES], prefix[i, LOW], prefix[i, HIGH] = (
            n, mean, squares, low, high
        )  # fmt: skip
        j = last - i
        if i == 0 or event[j] <= stop - window:
            stop = ((event[j] - 1) // window + 1) * window
            m, other, rest = 0.0, 0.0, 0.0
        m, other, rest, least, most = grow(m, other, rest, least, most, value[j])
        suffix[j, COUNT], suffix[j, MEAN], suffix[j, SQUARES], suffix[j, LOW], suffix[j, HIGH] = (
            m, other, rest, least, most
        )  # fmt: skip


@compiled
def _fill_rest(event: Ints, value: Floats, window: int, half_life: float, prefix: Floats, suffix: Floats) -> None:
    """Trend, exponential mean and increase in both directions, over counts and means that are there already."""
    last = len(event) - 1
    start, stop = 0, 0
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(last + 1):
        if prefix[i, COUNT] == 1.0:
            start = ((event[i] - 1) // window) * window
            a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        hours, weight = _place(event[i], start, half_life)
        a, b, c, d, e, f, g, h = grow_rest(
            a, b, c, d, e, f, g, h, prefix[i, COUNT], prefix[i, MEAN], value[i], hours, weight, False
        )
        _put_rest(prefix, i, a, b, c, d, e, f, g, h)
    for j in range(last, -1, -1):
        if suffix[j, COUNT] == 1.0:
            stop = ((event[j] - 1) // window + 1) * window
            a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        hours, weight = _place(event[j], stop, half_life)
        a, b, c, d, e, f, g, h = grow_rest(
            a, b, c, d, e, f, g, h, suffix[j, COUNT], suffix[j, MEAN], value[j], hours, weight, True
        )
        _put_rest(suffix, j, a, b, c, d, e, f, g, h)


@compiled
def _put_rest(
    rows: Floats, i: int, a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float
) -> None:
    """Store the fields beyond the extremes in the order of their numbers."""
    rows[i, WEIGHTED], rows[i, WEIGHT], rows[i, TIME], rows[i, TIME_SQUARES] = a, b, c, d
    rows[i, PRODUCTS], rows[i, FIRST], rows[i, LAST], rows[i, INCREASE] = e, f, g, h


@compiled
def _place(event: int, edge: int, half_life: float) -> tuple[float, float]:
    """Hours from the block edge, and weight in the exponential mean relative to it."""
    return (event - edge) / HOUR_US, np.exp2((event - edge) / half_life)


@compiled
def _add_at(state: Floats, event: int, value: float, edge: int, half_life: float, full: bool, backward: bool) -> None:
    hours, weight = 0.0, 1.0
    if full:
        hours, weight = _place(event, edge, half_life)
    add(state, value, hours, weight, full, backward)


@compiled
def _fill_known(event: Ints, since: Ints, window: int, known: Known) -> None:
    """Latest availability from each block's start to each record, and from each record to its block's end."""
    prefix, suffix = known
    for i in range(len(event)):
        same = i > 0 and (event[i] - 1) // window == (event[i - 1] - 1) // window
        prefix[i] = max(prefix[i - 1], since[i]) if same else since[i]
    for i in range(len(event) - 1, -1, -1):
        same = i + 1 < len(event) and (event[i] - 1) // window == (event[i + 1] - 1) // window
        suffix[i] = max(suffix[i + 1], since[i]) if same else since[i]


@compiled
def _visible_end(first: Ints, since: Ints, known: Known, low: int, middle: int, high: int, cutoff: int) -> int:
    """End of the final records low:end that are exactly what is visible, -1 where the aggregates do not fit."""
    top = high
    while top > low and since[top - 1] > cutoff:
        if first[top - 1] <= cutoff:
            return -1
        top -= 1
    if top > middle and known.prefix[top - 1] > cutoff:
        return -1
    if low < min(middle, top) and (top < middle or known.suffix[low] > cutoff):
        return -1
    return top


@compiled
def _combine(sums: Sums, low: int, middle: int, top: int, full: bool) -> None:
    prefix, suffix, state = sums.prefix, sums.suffix, sums.state
    if low < middle and low < top:
        if top > middle:
            merge(suffix[low], prefix[top - 1], state, full)
        else:
            state[:] = suffix[low]
    elif top > middle and top > low:
        state[:] = prefix[top - 1]
    else:
        state[:] = 0.0


@compiled
def _combine_base(prefix: Floats, suffix: Floats, low: int, middle: int, top: int, out: Floats, column: int) -> None:
    """Do what ``_combine`` and ``read`` do for count, mean, std and extremes, in scalars."""
    left, right = low < middle and low < top, top > middle and top > low
    at = top - 1
    if left and right:
        n, mean, squares, _ = join(
            suffix[low, COUNT], suffix[low, MEAN], suffix[low, SQUARES],
            prefix[at, COUNT], prefix[at, MEAN], prefix[at, SQUARES],
        )  # fmt: skip
        least = min(suffix[low, LOW], prefix[at, LOW])
        most = max(suffix[low, HIGH], prefix[at, HIGH])
        read_base(n, mean, squares, least, most, out, column)
    elif left or right:
        source, row = (suffix, low) if left else (prefix, at)
        read_base(
            source[row, COUNT],
            source[row, MEAN],
            source[row, SQUARES],
            source[row, LOW],
            source[row, HIGH],
            out,
            column,
        )
    else:
        read_base(0.0, 0.0, 0.0, 0.0, 0.0, out, column)


@compiled
def _recompute(
    cells: Cells, owner: int, cutoff: int, window: int, edge: int, half_life: float, full: bool, state: Floats
) -> None:
    """Do the operations of the blocks over the versions visible at the cutoff, in the same order."""
    begin, end = cells.all_offsets[owner], cells.all_offsets[owner + 1]
    event = cells.all_event[begin:end]
    low = begin + np.searchsorted(event, cutoff - window, "right")
    middle = begin + np.searchsorted(event, edge, "right")
    high = begin + np.searchsorted(event, cutoff, "right")
    left = np.zeros(len(state))
    right = np.zeros(len(state))
    for i in range(middle - 1, low - 1, -1):
        if cells.all_since[i] <= cutoff < cells.all_until[i]:
            _add_at(left, cells.all_event[i], cells.all_values[i], edge, half_life, full, True)
    for i in range(middle, high):
        if cells.all_since[i] <= cutoff < cells.all_until[i]:
            _add_at(right, cells.all_event[i], cells.all_values[i], edge, half_life, full, False)
    merge(left, right, state, full)
