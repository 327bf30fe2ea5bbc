"""Window statistics at arbitrary cutoffs by blocks: a window is the end of one block and the start of the next.

Time is cut into blocks of the window's length, anchored at the epoch: block k is ``(k * w, (k + 1) * w]``. Each record
keeps the aggregate from itself to the end of its block and from the start of its block to itself (van Herk 1992, Gil
and Werman 1993). Nothing is ever subtracted, so nothing cancels, and no record outside the window can touch the result.
"""

from __future__ import annotations

# ruff: noqa: PLR0917 - compiled functions are called by position
from typing import NamedTuple

import numpy as np

from aftercast.data.arrays import Floats, Ints
from aftercast.features.windows.arrays import CLEAN, SLOW, Cells, compiled
from aftercast.features.windows.state import (
    DECAYED,
    INCREASE,
    LEVEL,
    TREND,
    Decayed,
    Level,
    Side,
    Statistics,
    Trend,
    decayed_mean,
    empty,
    first_level,
    grow_decayed,
    grow_level,
    grow_trend,
    increase,
    put_level,
    slope,
    whole_increase,
)


class Sums(NamedTuple):
    """Sums of one direction for each record: from its block's start to it, or from it to its block's end.

    The columns are the fields of ``Level``, ``Trend`` and ``Decayed``.
    """

    level: Floats
    trend: Floats
    decayed: Floats
    risen: Floats


class Known(NamedTuple):
    """Latest instants from which records are known, over the same stretches."""

    prefix: Ints
    suffix: Ints


class Places(NamedTuple):
    """Where the windows of an owner's cutoffs lie: records ``low:middle`` of one block, ``middle:top`` of the next.

    ``top`` is -1 where what is visible has to be gathered record by record.
    """

    low: Ints
    middle: Ints
    top: Ints


def window_statistics(
    cells: Cells,
    cut_offsets: Ints,
    cutoffs: Ints,
    window_us: int,
    *,
    wanted: int = LEVEL,
    half_life_us: int = 1,
    force_slow: bool = False,
) -> Statistics:
    """Statistics of the visible records in ``(T - window, T]`` at each cutoff T.

    Parameters
    ----------
    cells
        Values by owner.
    cut_offsets, cutoffs
        Shape (n + 1,) and (m,): ascending cutoffs of each owner.
    wanted
        Flags of ``state``: LEVEL, TREND (with LEVEL), DECAYED, INCREASE.
    half_life_us
        Half-life of the weights of the exponential mean.
    force_slow
        Recompute every cutoff from the visible versions; equal to the bit, for tests.
    """
    out = empty(wanted, len(cutoffs))
    if len(cutoffs) > 0:
        _window_statistics(cells, cut_offsets, cutoffs, window_us, wanted, float(half_life_us), force_slow, out)
    return out


@compiled
def _window_statistics(
    cells: Cells,
    cut_offsets: Ints,
    cutoffs: Ints,
    window: int,
    wanted: int,
    half_life: float,
    force_slow: bool,
    out: Statistics,
) -> None:
    records, rows = _longest(cells.offsets), _longest(cut_offsets)
    known = Known(np.empty(records, np.int64), np.empty(records, np.int64))
    places = Places(np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64))
    prefix, suffix = _unset_sums(records, wanted), _unset_sums(records, wanted)
    for owner in range(len(cells.offsets) - 1):
        first, last = cut_offsets[owner], cut_offsets[owner + 1]
        if first == last:
            continue
        slow = force_slow or cells.mode[owner] == SLOW
        if slow:
            places.top[: last - first] = -1
        else:
            begin, end = cells.offsets[owner], cells.offsets[owner + 1]
            event, value = cells.event[begin:end], cells.values[begin:end]
            _fill(event, value, window, half_life, wanted, prefix, suffix)
            if cells.mode[owner] != CLEAN:
                _fill_known(event, cells.since[begin:end], window, known)
            _find(cells, owner, cutoffs[first:last], window, known, places)
            _read(event, value, first, last, wanted, np.exp2(-window / half_life), places, prefix, suffix, out)
        for row in range(first, last):
            if places.top[row - first] < 0:
                _gather(cells, owner, cutoffs[row], window, half_life, wanted, out, row)


@compiled
def _longest(offsets: Ints) -> int:
    return np.max(np.diff(offsets)) if len(offsets) > 1 else 0


@compiled
def _unset_sums(records: int, wanted: int) -> Sums:
    return Sums(
        np.empty((records if wanted & LEVEL else 0, 4)),
        np.empty((records if wanted & TREND else 0, 3)),
        np.empty((records if wanted & DECAYED else 0, 2)),
        np.empty((records if wanted & INCREASE else 0, 1)),
    )


@compiled
def _find(cells: Cells, owner: int, cutoffs: Ints, window: int, known: Known, places: Places) -> None:
    """Fill the places of an owner's cutoffs."""
    begin, end = cells.offsets[owner], cells.offsets[owner + 1]
    event, since, first = cells.event[begin:end], cells.since[begin:end], cells.first[begin:end]
    checked = cells.mode[owner] != CLEAN
    low, middle, high = 0, 0, 0
    for k in range(len(cutoffs)):
        cutoff = cutoffs[k]
        low = _advance(event, low, cutoff - window)
        middle = _advance(event, middle, _block_start(cutoff, window))
        high = _advance(event, high, cutoff)
        top = _visible_end(first, since, known, low, middle, high, cutoff) if checked else high
        if top >= 0:
            places.low[k] = low if low < top else middle
            places.middle[k], top = middle, max(middle, top)
        places.top[k] = top


@compiled
def _advance(event: Ints, position: int, moment: int) -> int:
    """First position from the given one whose event lies after the moment."""
    while position < len(event) and event[position] <= moment:
        position += 1
    return position


@compiled
def _block_start(event: int, window: int) -> int:
    """Start of the block ``(start, start + window]`` of an event."""
    return ((event - 1) // window) * window


@compiled
def _fill(event: Ints, value: Floats, window: int, half_life: float, wanted: int, prefix: Sums, suffix: Sums) -> None:
    if wanted & LEVEL:
        _fill_level(event, value, window, prefix.level, suffix.level)
    if wanted & TREND:
        _fill_trend(event, value, window, prefix.trend, suffix.trend)
    if wanted & DECAYED:
        _fill_decayed(event, value, window, half_life, prefix.decayed, suffix.decayed)
    if wanted & INCREASE:
        _fill_increase(event, value, window, prefix.risen, suffix.risen)


@compiled
def _fill_level(event: Ints, value: Floats, window: int, prefix: Floats, suffix: Floats) -> None:
    """Both directions in one loop: neither waits for the other.

    Running values are scalars, which stay in registers. Blocks are told by comparison, because dividing every time by
    the window would cost more than the statistics.
    """
    last = len(event) - 1
    start, stop, anchor, other = 0, 0, 0.0, 0.0
    a = b = first_level(0.0)
    for i in range(last + 1):
        if i == 0 or event[i] > start + window:
            start, anchor = _block_start(event[i], window), value[i]
            a = first_level(anchor)
        a = grow_level(a, value[i], anchor)
        prefix[i, 0], prefix[i, 1], prefix[i, 2], prefix[i, 3] = a
        j = last - i
        if i == 0 or event[j] <= stop:
            stop, other = _block_start(event[j], window), value[j]
            b = first_level(other)
        b = grow_level(b, value[j], other)
        suffix[j, 0], suffix[j, 1], suffix[j, 2], suffix[j, 3] = b


@compiled
def _fill_trend(event: Ints, value: Floats, window: int, prefix: Floats, suffix: Floats) -> None:
    last = len(event) - 1
    start, stop, anchor, other = 0, 0, 0, 0
    a = b = Trend(0.0, 0.0, 0.0)
    for i in range(last + 1):
        if i == 0 or event[i] > start + window:
            start, anchor, a = _block_start(event[i], window), i, Trend(0.0, 0.0, 0.0)
        a = grow_trend(a, event[i] - event[anchor], value[i] - value[anchor])
        prefix[i, 0], prefix[i, 1], prefix[i, 2] = a
        j = last - i
        if i == 0 or event[j] <= stop:
            stop, other, b = _block_start(event[j], window), j, Trend(0.0, 0.0, 0.0)
        b = grow_trend(b, event[j] - event[other], value[j] - value[other])
        suffix[j, 0], suffix[j, 1], suffix[j, 2] = b


@compiled
def _fill_decayed(event: Ints, value: Floats, window: int, half_life: float, prefix: Floats, suffix: Floats) -> None:
    """Weights count from the block's start in both directions, so that one power serves both."""
    last = len(event) - 1
    start, stop, anchor = 0, 0, 0.0
    a = Decayed(0.0, 0.0)
    for i in range(last + 1):
        if i == 0 or event[i] > start + window:
            start, anchor, a = _block_start(event[i], window), value[i], Decayed(0.0, 0.0)
        weight = np.exp2((event[i] - start) / half_life)
        suffix[i, 0] = weight
        a = grow_decayed(a, weight, value[i] - anchor)
        prefix[i, 0], prefix[i, 1] = a
    for j in range(last, -1, -1):
        if j == last or event[j] <= stop:
            stop, anchor, a = _block_start(event[j], window), value[j], Decayed(0.0, 0.0)
        a = grow_decayed(a, suffix[j, 0], value[j] - anchor)
        suffix[j, 0], suffix[j, 1] = a


@compiled
def _fill_increase(event: Ints, value: Floats, window: int, prefix: Floats, suffix: Floats) -> None:
    """Fill in how much a counter rose from the start of each block to a record, and from it to the end."""
    last = len(event) - 1
    start, stop, risen = 0, 0, 0.0
    for i in range(last + 1):
        if i == 0 or event[i] > start + window:
            start, risen = _block_start(event[i], window), 0.0
        else:
            risen += increase(value[i - 1], value[i])
        prefix[i, 0] = risen
    for j in range(last, -1, -1):
        if j == last or event[j] <= stop:
            stop, risen = _block_start(event[j], window), 0.0
        else:
            risen += increase(value[j], value[j + 1])
        suffix[j, 0] = risen


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
def _read(
    event: Ints,
    value: Floats,
    first: int,
    last: int,
    wanted: int,
    fade: float,
    places: Places,
    prefix: Sums,
    suffix: Sums,
    out: Statistics,
) -> None:
    """Write the statistics of an owner's windows from the sums at their ends."""
    if wanted & LEVEL:
        _read_level(event, value, first, last, places, prefix.level, suffix.level, out)
    if wanted & TREND:
        _read_trend(event, value, first, last, places, prefix, suffix, out.trend)
    if wanted & DECAYED:
        _read_decayed(event, value, first, last, places, fade, prefix.decayed, suffix.decayed, out.decayed)
    if wanted & INCREASE:
        _read_increase(event, value, first, last, places, prefix.risen, suffix.risen, out.increase)


@compiled
def _sides(event: Ints, value: Floats, places: Places, k: int) -> tuple[Side, Side, int, int]:
    """Both sides of window k, and the rows of their sums; a side without records has row 0, which is not looked at."""
    low, middle, top = places.low[k], places.middle[k], places.top[k]
    left, right = Side(0, 0.0, 0), Side(0, 0.0, 0)
    if low < middle:
        left = Side(middle - low, value[middle - 1], event[middle - 1])
    if middle < top:
        right = Side(top - middle, value[middle], event[middle])
    return left, right, low if low < middle else 0, top - 1 if middle < top else 0


@compiled
def _read_level(
    event: Ints,
    value: Floats,
    first: int,
    last: int,
    places: Places,
    prefix: Floats,
    suffix: Floats,
    out: Statistics,
) -> None:
    nothing = first_level(0.0)
    for row in range(first, last):
        k = row - first
        if places.top[k] < 0:
            continue
        left, right, i, j = _sides(event, value, places, k)
        a = Level(suffix[i, 0], suffix[i, 1], suffix[i, 2], suffix[i, 3]) if left.records > 0 else nothing
        b = Level(prefix[j, 0], prefix[j, 1], prefix[j, 2], prefix[j, 3]) if right.records > 0 else nothing
        put_level(out, row, left, right, a, b)


@compiled
def _read_trend(
    event: Ints,
    value: Floats,
    first: int,
    last: int,
    places: Places,
    prefix: Sums,
    suffix: Sums,
    out: Floats,
) -> None:
    nothing = Trend(0.0, 0.0, 0.0)
    for row in range(first, last):
        k = row - first
        if places.top[k] < 0:
            continue
        left, right, i, j = _sides(event, value, places, k)
        a, b, total, other = nothing, nothing, 0.0, 0.0
        if left.records > 0:
            a, total = Trend(suffix.trend[i, 0], suffix.trend[i, 1], suffix.trend[i, 2]), suffix.level[i, 0]
        if right.records > 0:
            b, other = Trend(prefix.trend[j, 0], prefix.trend[j, 1], prefix.trend[j, 2]), prefix.level[j, 0]
        out[row] = slope(left, right, a, b, total, other)


@compiled
def _read_decayed(
    event: Ints,
    value: Floats,
    first: int,
    last: int,
    places: Places,
    fade: float,
    prefix: Floats,
    suffix: Floats,
    out: Floats,
) -> None:
    nothing = Decayed(0.0, 0.0)
    for row in range(first, last):
        k = row - first
        if places.top[k] < 0:
            continue
        left, right, i, j = _sides(event, value, places, k)
        a = Decayed(suffix[i, 0], suffix[i, 1]) if left.records > 0 else nothing
        b = Decayed(prefix[j, 0], prefix[j, 1]) if right.records > 0 else nothing
        out[row] = decayed_mean(left, right, a, b, fade)


@compiled
def _read_increase(
    event: Ints,
    value: Floats,
    first: int,
    last: int,
    places: Places,
    prefix: Floats,
    suffix: Floats,
    out: Floats,
) -> None:
    for row in range(first, last):
        k = row - first
        if places.top[k] < 0:
            continue
        left, right, i, j = _sides(event, value, places, k)
        a = suffix[i, 0] if left.records > 0 else 0.0
        b = prefix[j, 0] if right.records > 0 else 0.0
        out[row] = whole_increase(left, right, a, b)


@compiled
def _gather(
    cells: Cells,
    owner: int,
    cutoff: int,
    window: int,
    half_life: float,
    wanted: int,
    out: Statistics,
    row: int,
) -> None:
    """Do the operations of the blocks over the versions visible at the cutoff, in the same order."""
    begin, end = cells.all_offsets[owner], cells.all_offsets[owner + 1]
    event = cells.all_event[begin:end]
    edge = _block_start(cutoff, window)
    low = begin + np.searchsorted(event, cutoff - window, "right")
    middle = begin + np.searchsorted(event, edge, "right")
    high = begin + np.searchsorted(event, cutoff, "right")
    left, a, c, e, g = _add_up(cells, middle - 1, low - 1, -1, cutoff, edge - window, half_life)
    right, b, d, f, h = _add_up(cells, middle, high, 1, cutoff, edge, half_life)
    if wanted & LEVEL:
        put_level(out, row, left, right, a, b)
    if wanted & TREND:
        out.trend[row] = slope(left, right, c, d, a.total, b.total)
    if wanted & DECAYED:
        out.decayed[row] = decayed_mean(left, right, e, f, np.exp2(-window / half_life))
    if wanted & INCREASE:
        out.increase[row] = whole_increase(left, right, g, h)


@compiled
def _add_up(
    cells: Cells, position: int, end: int, step: int, cutoff: int, start: int, half_life: float
) -> tuple[Side, Level, Trend, Decayed, float]:
    """Sums of the versions visible at the cutoff from a position on; ``start`` is that of their block."""
    records, anchor, moment, before = 0, 0.0, 0, 0.0
    level, trend, decayed, risen = first_level(0.0), Trend(0.0, 0.0, 0.0), Decayed(0.0, 0.0), 0.0
    while position != end:
        if cells.all_since[position] <= cutoff < cells.all_until[position]:
            event, value = cells.all_event[position], cells.all_values[position]
            if records == 0:
                anchor, moment, level = value, event, first_level(value)
            elif step > 0:
                risen += increase(before, value)
            else:
                risen += increase(value, before)
            level = grow_level(level, value, anchor)
            trend = grow_trend(trend, event - moment, value - anchor)
            decayed = grow_decayed(decayed, np.exp2((event - start) / half_life), value - anchor)
            records, before = records + 1, value
        position += step
    return Side(records, anchor, moment), level, trend, decayed, risen
