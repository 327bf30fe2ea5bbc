"""What the records of a stretch add up to, and the statistics of the two stretches that make up a window.

Sums are taken of the distance from one record of the stretch, its anchor, so that a big level costs no digits: the
squares exceed those around the mean by at most twice the number of records. Adding a record and joining two stretches
are the only ways in which a statistic is ever computed, in one order of operations: results are equal to the bit on
every path.
"""

from __future__ import annotations

# ruff: noqa: PLR0917 - compiled functions are called by position
from typing import Final, NamedTuple

import numpy as np

from aftercast.data.arrays import Floats
from aftercast.features.windows.arrays import compiled
from aftercast.operations.clocks import HOUR_US

LEVEL: Final = 1  # records, mean, std, low, high
TREND: Final = 2
DECAYED: Final = 4
INCREASE: Final = 8
JITTER: Final = 0.9
"""A counter that falls to no less than this share of its reading was not reset."""
_HOURS: Final = 1 / HOUR_US


class Statistics(NamedTuple):
    """Statistics of windows, shape (n,) each, or (0,) where not asked for; NaN where undefined.

    Attributes
    ----------
    records, mean, std, low, high
        ``std`` is the sample's (n - 1) and needs two records.
    trend
        Least-squares slope per hour; needs two records.
    decayed
        Exponentially weighted mean.
    increase
        Of a counter whose resets to zero are allowed for; needs two records.
    """

    records: Floats
    mean: Floats
    std: Floats
    low: Floats
    high: Floats
    trend: Floats
    decayed: Floats
    increase: Floats


class Side(NamedTuple):
    """One side of a window: how many records it has, value and time of its anchor."""

    records: int
    anchor: float
    moment: int


class Level(NamedTuple):
    """Sum and squares of the distances from the anchor, and extremes."""

    total: float
    squares: float
    low: float
    high: float


class Trend(NamedTuple):
    """Sums of the hours from the anchor, of their squares, and of their products with the values' distances."""

    hours: float
    squares: float
    products: float


class Decayed(NamedTuple):
    """Sum of the weights, and of weight times distance from the anchor."""

    weight: float
    weighted: float


def empty(wanted: int, n: int) -> Statistics:
    """Unset statistics of n windows, those asked for by the flags ``wanted``."""
    parts = (LEVEL, LEVEL, LEVEL, LEVEL, LEVEL, TREND, DECAYED, INCREASE)
    return Statistics(*(np.empty(n if wanted & part else 0) for part in parts))


@compiled
def increase(earlier: float, later: float) -> float:
    """Increase of a counter; a much smaller later reading means that it was reset, a hardly smaller one is jitter."""
    if later >= earlier:
        return later - earlier
    return later if later < JITTER * earlier else 0.0


@compiled
def first_level(value: float) -> Level:
    """Level before the anchor itself is added."""
    return Level(0.0, 0.0, value, value)


@compiled
def grow_level(level: Level, value: float, anchor: float) -> Level:
    """Level after one more record."""
    distance = value - anchor
    low = value if value < level.low else level.low
    high = value if value > level.high else level.high
    return Level(level.total + distance, level.squares + distance * distance, low, high)


@compiled
def grow_trend(trend: Trend, elapsed: int, distance: float) -> Trend:
    """Trend after one more record, ``elapsed`` microseconds and ``distance`` from the anchor."""
    hours = elapsed * _HOURS
    return Trend(trend.hours + hours, trend.squares + hours * hours, trend.products + hours * distance)


@compiled
def grow_decayed(decayed: Decayed, weight: float, distance: float) -> Decayed:
    """Weights after one more record."""
    return Decayed(decayed.weight + weight, decayed.weighted + weight * distance)


@compiled
def put_level(out: Statistics, row: int, left: Side, right: Side, a: Level, b: Level) -> None:
    """Write count, mean, std and extremes of a window whose stretches have the levels a and b."""
    n, m = left.records, right.records
    out.records[row] = n + m
    if n > 0 and m > 0:
        share = m / (n + m)
        apart = _mean_apart(left, right, a.total, b.total)
        mean = left.anchor + a.total / n + apart * share
        squares = _squares(a, n) + _squares(b, m) + apart * apart * n * share
        low = a.low if a.low < b.low else b.low
        high = a.high if a.high > b.high else b.high
    elif n > 0:
        mean, squares, low, high = left.anchor + a.total / n, _squares(a, n), a.low, a.high
    elif m > 0:
        mean, squares, low, high = right.anchor + b.total / m, _squares(b, m), b.low, b.high
    else:
        mean, squares, low, high = np.nan, np.nan, np.nan, np.nan
    out.mean[row], out.low[row], out.high[row] = mean, low, high
    squares = 0.0 if squares < 0.0 else squares
    out.std[row] = np.sqrt(squares / (n + m - 1)) if n + m > 1 else np.nan


@compiled
def _squares(level: Level, n: int) -> float:
    """Sum of squares around the mean."""
    return level.squares - level.total * level.total / n


@compiled
def _mean_apart(left: Side, right: Side, total: float, other: float) -> float:
    """Mean of the right less that of the left; both hold records."""
    return (right.anchor - left.anchor) + (other / right.records - total / left.records)


@compiled
def slope(left: Side, right: Side, a: Trend, b: Trend, total: float, other: float) -> float:
    """Least-squares slope per hour of a window; the totals are those of the values, see :class:`Level`."""
    n, m = left.records, right.records
    products, squares, early, late = 0.0, 0.0, 0.0, 0.0
    if n > 0:
        early = a.hours / n
        products += a.products - early * total
        squares += a.squares - early * a.hours
    if m > 0:
        late = b.hours / m
        products += b.products - late * other
        squares += b.squares - late * b.hours
    if n > 0 and m > 0:
        hours = (right.moment - left.moment) * _HOURS + (late - early)
        weight = n * (m / (n + m))
        products += hours * _mean_apart(left, right, total, other) * weight
        squares += hours * hours * weight
    return products / squares if n + m > 1 and squares > 0.0 else np.nan


@compiled
def decayed_mean(left: Side, right: Side, a: Decayed, b: Decayed, fade: float) -> float:
    """Exponentially weighted mean of a window; ``fade`` is the factor of the weights of the left."""
    if left.records > 0 and right.records > 0:
        weighted = (a.weighted + (left.anchor - right.anchor) * a.weight) * fade + b.weighted
        return right.anchor + weighted / (a.weight * fade + b.weight)
    if left.records > 0:
        return left.anchor + a.weighted / a.weight
    return right.anchor + b.weighted / b.weight if right.records > 0 else np.nan


@compiled
def whole_increase(left: Side, right: Side, a: float, b: float) -> float:
    """Increase over a window whose stretches rose by a and b."""
    if left.records > 0 and right.records > 0:
        return a + b + increase(left.anchor, right.anchor)
    if left.records + right.records < 2:
        return np.nan
    return a if left.records > 0 else b
