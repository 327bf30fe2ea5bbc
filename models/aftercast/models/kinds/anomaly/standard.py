"""The standard: what makes deviations of different sensors comparable, learned on the start of the reference period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from aftercast.models.aliases import Floats, Mask
from aftercast.models.kinds.anomaly.deviation import Groups, Norms, moderated, norms_of
from aftercast.models.kinds.anomaly.episodes import MONTH_US
from aftercast.models.kinds.anomaly.kernels import NORMAL
from aftercast.models.kinds.anomaly.settings import BASES, COHORT, AnomalySettings
from aftercast.models.kinds.anomaly.signals import Signal, watched

Singles = npt.NDArray[np.float32]

EXTREME: Final = 0.8  # of the months' maxima; a fifth of the devices may be odd without moving it
DAYS: Final = 30
UNIT: Final = 2.6778  # the same of 30 independent |z| of a normal law, a day each: 2 Phi(UNIT) - 1 = 0.8 ** (1 / 30)
ENOUGH: Final = 20  # device-months from which it is read; below, all of the reference period is used
ENOUGH_ROWS: Final = 100  # the same for the usual spread
MOSTLY: Final = 0.9  # share of zeros from which only leaving zero is a deviation: such a signal has no spread
NEW: Final = 6.0  # deviation of a value that no device ever had
LARGEST: Final = 30.0  # beyond it a deviation says no more, and one sensor would make up the whole scale
STUCK: Final = 0.01  # a spread below this share of the usual one is as good as none


@dataclass(frozen=True)
class Standard:
    """Fleet-wide constants, one row per signal.

    Attributes
    ----------
    floors
        Least spread that is told apart, shape (k,); NaN for levels, and for spreads whose usual value is zero.
    scale
        Usual spread of each signal on each basis, shape (k, 3).
    extreme
        What the largest absolute robust deviation of a device in a month exceeds in one device-month of five, on each
        basis, shape (k, 3); NaN where it was never seen.
    balance
        Divisors of the two comparisons, with the past and with the cohort, shape (2,): the same of the largest
        deviation of all signals. Without them the heavier tail would use up the alarms.
    rare
        Of levels that are mostly zero, the deviation that any other value is, shape (k,); NaN for the other signals.
    """

    floors: Floats
    scale: Floats
    extreme: Floats
    balance: Floats
    rare: Floats


@dataclass(frozen=True)
class Panel:
    """Signals of n rows, and how they are compared.

    Attributes
    ----------
    values
        As they stand in the features, shape (n, k); NaN for missing.
    gap_us
        How long before the cutoff the own past ends, microseconds.
    """

    values: Floats
    signals: tuple[Signal, ...]
    groups: Groups
    gap_us: int
    settings: AnomalySettings


@dataclass(frozen=True)
class Deviations:
    """Deviations of n rows from what is usual, per signal and comparison.

    Attributes
    ----------
    size
        Signed, shape (n, k, 2), from the past and from the cohort, NaN where unknown. Scaled so that in each comparison
        one device-month in five goes beyond :data:`UNIT`, as it would with 30 independent normal deviations.
    own, own_scale, cohort, cohort_scale
        What was usual for the device and for its cohort, in the numbers that are compared, shape (n, k).
    """

    size: Floats
    own: Singles
    own_scale: Singles
    cohort: Singles
    cohort_scale: Singles

    @property
    def score(self) -> Floats:
        """Largest absolute deviation of each row, shape (n,); NaN where none is known."""
        return largest(self.size.reshape(len(self.size), -1))


def largest(size: Floats) -> Floats:
    """Largest absolute value of each row of an array of shape (n, m), shape (n,); NaN where all are missing."""
    known = ~np.isnan(size)
    found = np.where(known, np.abs(size), -np.inf).max(axis=1, initial=-np.inf)
    return np.where(known.any(axis=1), found, np.nan)


def learn_floors(values: Floats, signals: tuple[Signal, ...]) -> Floats:
    """Floors of the spreads, from raw values of shape (n, k): a hundredth of the median."""
    floors = np.full(len(signals), np.nan)
    for j, signal in enumerate(signals):
        present = values[~np.isnan(values[:, j]), j]
        if signal.quantity == "std" and len(present) > 0 and np.median(present) > 0:
            floors[j] = STUCK * np.median(present)
    return floors


def learn_standard(panel: Panel, learning: Mask) -> Standard:
    """Standard from the rows of a panel where ``learning`` is true, shape (n,)."""
    floors = learn_floors(panel.values[learning], panel.signals)
    scale, extreme = (np.full((len(panel.signals), BASES), np.nan) for _ in range(2))
    size = np.full((*panel.values.shape, 2), np.nan)
    plain = Standard(floors, scale, extreme, np.ones(2), learn_rare(panel, learning))
    for j, known in every_norms(panel, floors):
        for basis in range(BASES):
            distance, own, number = known.deviation(basis)
            here = _chosen(distance, own, learning)
            scale[j, basis] = fleet_scale(distance[here], own[here])
            spread = moderated(own, number, scale[j, basis], panel.settings.prior(basis))
            extreme[j, basis] = monthly_extreme(np.abs(distance) / spread, panel.groups, learning)
        size[:, j] = _sizes(panel, j, known, plain)
    found = [monthly_extreme(largest(size[:, :, side]), panel.groups, learning) / UNIT for side in range(2)]
    return replace(plain, balance=np.array(found))


def learn_rare(panel: Panel, learning: Mask) -> Floats:
    """Deviation of leaving zero, for each level that is mostly zero, shape (k,); NaN for the other signals.

    It is the size that as many device-months reach as had another value, among independent normal deviations of 30
    days: the fewer devices ever left zero, the larger. Where none ever did it is :data:`NEW` at least.
    """
    rare = np.full(len(panel.signals), np.nan)
    for j, signal in enumerate(panel.signals):
        values = panel.values[:, j]
        seen = values[learning & ~np.isnan(values)]
        if signal.quantity == "mean" and len(seen) > 0 and (seen == 0).mean() >= MOSTLY:
            left = _monthly_maxima(
                np.where(np.isnan(values), np.nan, values != 0).astype(np.float64), panel.groups, learning
            )
            share = (left.sum() + 1) / (len(left) + 1)
            rare[j] = norm.isf((1 - (1 - min(share, 0.999)) ** (1 / DAYS)) / 2)
            if left.sum() == 0:
                rare[j] = max(rare[j], NEW)
    return rare


def monthly_extreme(size: Floats, groups: Groups, learning: Mask) -> float:
    """What the largest size of a device in a month exceeds in one device-month of five; NaN where that is not positive.

    Months' maxima count as alarm episodes do, and a device that is odd all the time weighs no more than one device:
    a high quantile of rows would be set by it in a small fleet.

    Parameters
    ----------
    size
        Shape (n,), NaN for missing.
    learning
        Rows to learn from, shape (n,); all are used where they hold fewer than :data:`ENOUGH` device-months.
    """
    maxima = _monthly_maxima(size, groups, learning)
    if len(maxima) < ENOUGH:
        maxima = _monthly_maxima(size, groups, np.ones(len(size), dtype=bool))
    found = float(np.quantile(maxima, EXTREME)) if len(maxima) > 0 else np.nan
    return found if found > 0 else np.nan


def _monthly_maxima(size: Floats, groups: Groups, chosen: Mask) -> Floats:
    rows = np.flatnonzero(chosen & np.isfinite(size))
    if len(rows) == 0:
        return np.empty(0)
    device = np.searchsorted(groups.offsets, rows, side="right")
    month = groups.cutoffs[rows] // MONTH_US
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (np.diff(device) != 0) | (np.diff(month) != 0)
    return np.asarray(np.maximum.reduceat(size[rows], np.flatnonzero(new)))


def every_norms(panel: Panel, floors: Floats) -> Iterator[tuple[int, Norms]]:
    """Yield what is usual for each signal of a panel, one after the other to save memory."""
    compared = watched(panel.values, panel.signals, floors)
    for j in range(len(panel.signals)):
        yield j, norms_of(np.ascontiguousarray(compared[:, j]), panel.groups, panel.gap_us, panel.settings)


def fleet_scale(distance: Floats, own: Floats) -> float:
    """Usual spread: median of the devices' own; where that is zero, the spread of the distances; NaN without any."""
    if len(own) == 0:
        return float("nan")
    found = float(np.median(own))
    if found <= 0:
        found = max(NORMAL * float(np.median(np.abs(distance))), float(np.std(distance)))
    return found if found > 0 else float("nan")


def deviations(panel: Panel, standard: Standard) -> Deviations:
    """Deviations of every row of a panel: from the device's past and from its cohort.

    The past is that of the distance to the cohort's median, so that what the whole cohort goes through (season, load)
    is no deviation; where there is no cohort, the past of the value itself.
    """
    shape = panel.values.shape
    size = np.full((*shape, 2), np.nan)
    shown = [np.empty(shape, dtype=np.float32) for _ in range(4)]
    for j, known in every_norms(panel, standard.floors):
        size[:, j] = _sizes(panel, j, known, standard)
        for kept, values in zip(shown, (known.own, known.own_scale, known.cohort, known.cohort_scale), strict=True):
            kept[:, j] = values
    return Deviations(size, *shown)


def _sizes(panel: Panel, j: int, known: Norms, standard: Standard) -> Floats:
    """Deviations of signal j from past and cohort, shape (n, 2)."""
    size = np.full((len(panel.values), 2), np.nan)
    if not np.isnan(standard.rare[j]):
        beside = int(panel.settings.compare == "cohort")
        alone = np.isnan(known.own) | (known.own == 0)
        found = np.where(alone & (known.value != 0), np.sign(known.value) * standard.rare[j], 0.0)
        size[:, beside] = np.where(np.isnan(known.value), np.nan, found)
        return size
    for basis in panel.settings.bases:
        distance, own, number = known.deviation(basis)
        spread = moderated(own, number, standard.scale[j, basis], panel.settings.prior(basis))
        side = int(basis == COHORT)
        found = distance / spread * (UNIT / standard.extreme[j, basis] / standard.balance[side])
        free = np.isnan(size[:, side])
        size[free, side] = found[free]
    return np.clip(size, -LARGEST, LARGEST)


def _chosen(distance: Floats, own: Floats, learning: Mask) -> Mask:
    known = ~np.isnan(distance) & ~np.isnan(own)
    return known & learning if (known & learning).sum() >= ENOUGH_ROWS else known
