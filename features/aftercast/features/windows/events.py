"""Counts, recency and last values of visible records at every cutoff; all exact integers or copies of inputs."""

from __future__ import annotations

import numpy as np

from aftercast.data.arrays import Floats, Ints
from aftercast.features.windows.arrays import Cells, Visible, compiled
from aftercast.operations.clocks import NEVER


@compiled
def count_events(items: Visible, cut_offsets: Ints, cutoffs: Ints, window: int) -> Ints:
    """Count visible records with event in ``(T - window, T]``, shape (m,)."""
    out = np.zeros(len(cutoffs), np.int64)
    for owner in range(len(items.offsets) - 1):
        begin, end = items.offsets[owner], items.offsets[owner + 1]
        clean = _is_clean(items, begin, end)
        low, high = begin, begin
        for row in range(cut_offsets[owner], cut_offsets[owner + 1]):
            cutoff = cutoffs[row]
            while low < end and items.event[low] <= cutoff - window:
                low += 1
            while high < end and items.event[high] <= cutoff:
                high += 1
            out[row] = high - low if clean else _count_visible(items, low, high, cutoff)
    return out


@compiled
def _is_clean(items: Visible, begin: int, end: int) -> bool:
    late = 0
    for i in range(begin, end):
        late += items.since[i] != items.event[i] or items.until[i] != NEVER
    return late == 0


@compiled
def _count_visible(items: Visible, low: int, high: int, cutoff: int) -> int:
    found = 0
    for i in range(low, high):
        if items.since[i] <= cutoff < items.until[i]:
            found += 1
    return found


@compiled
def last_event(items: Visible, cut_offsets: Ints, cutoffs: Ints) -> Ints:
    """Position of the last visible record at or before each cutoff, -1 where there is none, shape (m,)."""
    out = np.full(len(cutoffs), -1, np.int64)
    for owner in range(len(items.offsets) - 1):
        begin, end = items.offsets[owner], items.offsets[owner + 1]
        high = begin
        for row in range(cut_offsets[owner], cut_offsets[owner + 1]):
            cutoff = cutoffs[row]
            while high < end and items.event[high] <= cutoff:
                high += 1
            i = high - 1
            while i >= begin and not items.since[i] <= cutoff < items.until[i]:
                i -= 1
            if i >= begin:
                out[row] = i
    return out


def last_value(cells: Cells, cut_offsets: Ints, cutoffs: Ints) -> Floats:
    """Value of the last visible record at or before each cutoff, NaN where there is none, shape (m,)."""
    if len(cells.all_values) == 0 or len(cutoffs) == 0:
        return np.full(len(cutoffs), np.nan)
    items = Visible(cells.all_offsets, cells.all_event, cells.all_since, cells.all_until)
    position = last_event(items, cut_offsets, cutoffs)
    return np.where(position >= 0, cells.all_values[position], np.nan)


@compiled
def known_version(offsets: Ints, available: Ints, cut_offsets: Ints, cutoffs: Ints) -> Ints:
    """Position of the newest version available at or before each cutoff, -1 where there is none, shape (m,).

    ``available`` ascends within each owner; of equal ones the last counts.
    """
    out = np.full(len(cutoffs), -1, np.int64)
    for owner in range(len(offsets) - 1):
        begin, end = offsets[owner], offsets[owner + 1]
        high = begin
        for row in range(cut_offsets[owner], cut_offsets[owner + 1]):
            while high < end and available[high] <= cutoffs[row]:
                high += 1
            if high > begin:
                out[row] = high - 1
    return out


@compiled
def next_event(offsets: Ints, event: Ints, cut_offsets: Ints, cutoffs: Ints) -> Ints:
    """Instant of the first record strictly after each cutoff, NEVER where there is none, shape (m,)."""
    out = np.full(len(cutoffs), NEVER, np.int64)
    for owner in range(len(offsets) - 1):
        begin, end = offsets[owner], offsets[owner + 1]
        high = begin
        for row in range(cut_offsets[owner], cut_offsets[owner + 1]):
            while high < end and event[high] <= cutoffs[row]:
                high += 1
            if high < end:
                out[row] = event[high]
    return out


@compiled
def median_gap(items: Visible, cut_offsets: Ints, cutoffs: Ints, most: int) -> Floats:
    """Median of the last gaps between visible records at each cutoff, at most so many, microseconds, shape (m,).

    Records of one instant count once. NaN where fewer than two instants are visible.
    """
    out = np.full(len(cutoffs), np.nan)
    gaps = np.empty(most)
    for owner in range(len(items.offsets) - 1):
        begin, end = items.offsets[owner], items.offsets[owner + 1]
        high = begin
        for row in range(cut_offsets[owner], cut_offsets[owner + 1]):
            cutoff = cutoffs[row]
            while high < end and items.event[high] <= cutoff:
                high += 1
            found, later, i = 0, NEVER, high - 1
            while i >= begin and found < most:
                if items.since[i] <= cutoff < items.until[i]:
                    if later != NEVER and items.event[i] < later:
                        gaps[found] = later - items.event[i]
                        found += 1
                    later = items.event[i]
                i -= 1
            if found > 0:
                out[row] = np.median(gaps[:found])
    return out
