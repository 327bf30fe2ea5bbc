"""The running aggregate of a window: adding one record, merging two aggregates, reading the statistics.

A state is a float64 row; its fields are the constants below. Adding and merging are the only ways in which a statistic
is ever computed, in one fixed order of operations, which is what makes results equal to the bit on every path.
"""

from __future__ import annotations

# ruff: noqa: PLR0917 - compiled functions are called by position
from typing import Final

import numpy as np

from aftercast.features.windows.arrays import Floats, compiled

COUNT: Final = 0
MEAN: Final = 1
SQUARES: Final = 2  # sum of squared deviations from the mean
LOW: Final = 3
HIGH: Final = 4
BASE_WIDTH: Final = 5
WEIGHTED: Final = 5  # sum of weight times value
WEIGHT: Final = 6
TIME: Final = 7  # mean of the time in hours from the block edge
TIME_SQUARES: Final = 8
PRODUCTS: Final = 9  # sum of products of deviations of time and value
FIRST: Final = 10
LAST: Final = 11
INCREASE: Final = 12
FULL_WIDTH: Final = 13

OUT_COUNT: Final = 0
OUT_MEAN: Final = 1
OUT_STD: Final = 2
OUT_MIN: Final = 3
OUT_MAX: Final = 4
OUT_DECAYED: Final = 5
OUT_TREND: Final = 6
OUT_INCREASE: Final = 7
OUT_ROWS: Final = 8


@compiled
def increase(earlier: float, later: float) -> float:
    """Increase of a counter; a smaller later reading means that it was reset to zero in between."""
    return later - earlier if later >= earlier else later


@compiled
def grow(
    count: float, mean: float, squares: float, low: float, high: float, value: float
) -> tuple[float, float, float, float, float]:
    """Count, mean, squares and extremes after one more record (Welford 1962)."""
    after = count + 1.0
    delta = value - mean
    moved = mean + delta / after
    least = value if count == 0.0 or value < low else low
    most = value if count == 0.0 or value > high else high
    return after, moved, squares + delta * (value - moved), least, most


@compiled
def join(
    n: float, mean: float, squares: float, m: float, other: float, rest: float
) -> tuple[float, float, float, float]:
    """Count, mean, squares of two parts, and the share of the second (Chan, Golub, LeVeque 1983); both hold records."""
    count = n + m
    share = m / count
    delta = other - mean
    return count, mean + delta * share, squares + rest + delta * delta * n * share, share


@compiled
def add(state: Floats, value: float, hours: float, weight: float, full: bool, backward: bool) -> None:
    """Add one record; ``backward`` when it lies before all records of the state.

    Parameters
    ----------
    hours
        Time from the block edge, hours; used for the trend only.
    weight
        Weight of the exponential mean.
    full
        Whether trend, exponential mean and increase are kept besides count, mean, squares and extremes.
    """
    state[COUNT], state[MEAN], state[SQUARES], state[LOW], state[HIGH] = grow(
        state[COUNT], state[MEAN], state[SQUARES], state[LOW], state[HIGH], value
    )
    if full:
        add_rest(state, state[COUNT], state[MEAN], value, hours, weight, backward)


@compiled
def add_rest(
    state: Floats, count: float, mean: float, value: float, hours: float, weight: float, backward: bool
) -> None:
    """Add one record to the fields beyond the extremes; count and mean are those after it."""
    (
        state[WEIGHTED], state[WEIGHT], state[TIME], state[TIME_SQUARES],
        state[PRODUCTS], state[FIRST], state[LAST], state[INCREASE],
    ) = grow_rest(
        state[WEIGHTED], state[WEIGHT], state[TIME], state[TIME_SQUARES],
        state[PRODUCTS], state[FIRST], state[LAST], state[INCREASE],
        count, mean, value, hours, weight, backward,
    )  # fmt: skip


@compiled
def grow_rest(
    weighted: float, weights: float, time: float, time_squares: float, products: float, first: float, last: float,
    risen: float, count: float, mean: float, value: float, hours: float, weight: float, backward: bool,
) -> tuple[float, float, float, float, float, float, float, float]:  # fmt: skip
    """Fields beyond the extremes after one more record; count and mean are those after it."""
    shift = hours - time
    moved = time + shift / count
    time_squares = time_squares + shift * (hours - moved)
    products = products + shift * (value - mean)
    if count == 1.0:
        first, last = value, value
    elif backward:
        risen, first = risen + increase(value, first), value
    else:
        risen, last = risen + increase(last, value), value
    return weighted + weight * value, weights + weight, moved, time_squares, products, first, last, risen


@compiled
def merge(left: Floats, right: Floats, state: Floats, full: bool) -> None:
    """Write the aggregate of left (earlier) and right (later) into state."""
    if left[COUNT] == 0.0:
        state[:] = right
    elif right[COUNT] == 0.0:
        state[:] = left
    else:
        state[COUNT], state[MEAN], state[SQUARES], share = join(
            left[COUNT], left[MEAN], left[SQUARES], right[COUNT], right[MEAN], right[SQUARES]
        )
        state[LOW] = min(left[LOW], right[LOW])
        state[HIGH] = max(left[HIGH], right[HIGH])
        if full:
            _merge_rest(left, right, state, share)


@compiled
def _merge_rest(left: Floats, right: Floats, state: Floats, share: float) -> None:
    state[WEIGHTED] = left[WEIGHTED] + right[WEIGHTED]
    state[WEIGHT] = left[WEIGHT] + right[WEIGHT]
    shift = right[TIME] - left[TIME]
    delta = right[MEAN] - left[MEAN]
    state[TIME] = left[TIME] + shift * share
    state[TIME_SQUARES] = left[TIME_SQUARES] + right[TIME_SQUARES] + shift * shift * left[COUNT] * share
    state[PRODUCTS] = left[PRODUCTS] + right[PRODUCTS] + shift * delta * left[COUNT] * share
    state[FIRST] = left[FIRST]
    state[LAST] = right[LAST]
    state[INCREASE] = left[INCREASE] + right[INCREASE] + increase(left[LAST], right[FIRST])


@compiled
def read(state: Floats, out: Floats, column: int, full: bool) -> None:
    """Write the statistics of a state into one column of out, shape (OUT_ROWS, m); NaN where they are undefined.

    The trend is the least-squares slope per hour; it and the increase need two records.
    """
    count = state[COUNT]
    read_base(count, state[MEAN], state[SQUARES], state[LOW], state[HIGH], out, column)
    if full:
        out[OUT_DECAYED, column] = state[WEIGHTED] / state[WEIGHT] if count > 0.0 else np.nan
        out[OUT_TREND, column] = state[PRODUCTS] / state[TIME_SQUARES] if state[TIME_SQUARES] > 0.0 else np.nan
        out[OUT_INCREASE, column] = state[INCREASE] if count > 1.0 else np.nan


@compiled
def read_base(count: float, mean: float, squares: float, low: float, high: float, out: Floats, column: int) -> None:
    """Write count, mean, std and extremes; the standard deviation is the sample's (n - 1) and needs two records."""
    known = count > 0.0
    out[OUT_COUNT, column] = count
    out[OUT_MEAN, column] = mean if known else np.nan
    out[OUT_STD, column] = np.sqrt(squares / (count - 1.0)) if count > 1.0 else np.nan
    out[OUT_MIN, column] = low if known else np.nan
    out[OUT_MAX, column] = high if known else np.nan
