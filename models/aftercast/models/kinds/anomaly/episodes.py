"""Alarm episodes, their rate per device-month, and an upper confidence bound of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import gamma

from aftercast.models.aliases import Ints, Mask
from aftercast.operations.clocks import DAY_US

MONTH_US: Final = 30 * DAY_US
LONG_AGO: Final = np.iinfo(np.int64).min // 2


def episode_starts(offsets: Ints, cutoff_us: Ints, alarm: Mask, quiet_us: int) -> Mask:
    """Rows at which an episode begins, shape (n,).

    Alarms of a device belong to one episode as long as none comes more than ``quiet_us`` after the one before it.

    Parameters
    ----------
    offsets
        Rows of device k are ``offsets[k]:offsets[k + 1]``, ascending by cutoff.
    """
    starts = np.zeros(len(alarm), dtype=bool)
    rows = np.flatnonzero(alarm)
    if len(rows) == 0:
        return starts
    device = np.searchsorted(offsets, rows, side="right")
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (device[1:] != device[:-1]) | (np.diff(cutoff_us[rows]) > quiet_us)
    starts[rows[first]] = True
    return starts


def begun(offsets: Ints, cutoff_us: Ints, alarm: Mask, quiet_us: int) -> Ints:
    """When the episode of each alarm row began, microseconds, shape (n,); meaningless where there is no alarm."""
    starts = episode_starts(offsets, cutoff_us, alarm, quiet_us)
    at = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0)) if len(starts) > 0 else np.empty(0, int)
    return np.asarray(cutoff_us[at], dtype=np.int64)


@dataclass(frozen=True)
class AlarmRate:
    """Episodes seen in some time of devices.

    Attributes
    ----------
    dispersion
        Variance over mean of the episodes per device, at least 1: how far episodes come in clusters.
    """

    episodes: int
    device_months: float
    dispersion: float = 1.0

    @property
    def per_device_month(self) -> float:
        """Episodes per device-month; NaN without time."""
        return self.episodes / self.device_months if self.device_months > 0 else float("nan")

    def upper(self, confidence: float) -> float:
        """Upper bound of the rate, one-sided.

        Garwood's exact bound of a Poisson mean (Biometrika 1936, 28, 437-442), gamma.ppf(confidence, k + 1) / E. With
        a dispersion d > 1 it is taken at k / d episodes in E / d device-months (quasi-Poisson).
        """
        d = self.dispersion
        return float(gamma.ppf(confidence, self.episodes / d + 1) * d / self.device_months)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of the rate in the same way."""
        d, tail = self.dispersion, (1 - confidence) / 2
        low = 0.0 if self.episodes == 0 else float(gamma.ppf(tail, self.episodes / d)) * d / self.device_months
        return low, self.upper(1 - tail)


def alarm_rate(offsets: Ints, starts: Mask, judged: Mask, every_us: int) -> AlarmRate:
    """Rate of episodes over the judged rows, each of which stands for ``every_us`` of its device.

    The dispersion is Pearson's, from episodes per device against what their judged time lets expect.
    """
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    time = np.bincount(owner[judged], minlength=len(offsets) - 1) * every_us / MONTH_US
    count = np.bincount(owner[starts], minlength=len(offsets) - 1)
    episodes, months = int(count.sum()), float(time.sum())
    seen = time > 0
    if episodes == 0 or int(seen.sum()) < 2:
        return AlarmRate(episodes, months)
    expected = episodes / months * time[seen]
    pearson = float(((count[seen] - expected) ** 2 / expected).sum() / (int(seen.sum()) - 1))
    return AlarmRate(episodes, months, max(1.0, pearson))
