"""The threshold: the lowest score by which the rate of alarms of the reference period is held with confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import gamma

from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.kinds.anomaly.episodes import MONTH_US, AlarmRate, alarm_rate, episode_starts
from aftercast.operations.errors import NotEnoughDataError

CANDIDATES: Final = 400
MOST: Final = 0.1  # what one row in ten reaches is not unusual, however few episodes it makes
LONGEST: Final = 0.5  # months that an alarm may last on average


@dataclass(frozen=True)
class Calibration:
    """Scored rows of the reference period.

    Attributes
    ----------
    offsets, cutoff_us
        As in :func:`episode_starts`.
    score
        Shape (n,); NaN where the device was not judged.
    every_us
        Time one row stands for.
    """

    offsets: Ints
    cutoff_us: Ints
    score: Floats
    every_us: int

    @property
    def judged(self) -> Mask:
        """Rows with a score, shape (n,)."""
        return ~np.isnan(self.score)

    def rate(self, threshold: float, quiet_us: int) -> AlarmRate:
        """Rate of alarm episodes where a score at or above the threshold alarms."""
        alarm = self.judged & (self.score >= threshold)
        starts = episode_starts(self.offsets, self.cutoff_us, alarm, quiet_us)
        return alarm_rate(self.offsets, starts, self.judged, self.every_us)


def needed_device_months(rate: float, confidence: float) -> float:
    """Device-months without any alarm from which a rate counts as held: the bound of no episodes is at the rate."""
    return float(gamma.ppf(confidence, 1) / rate)


def choose_threshold(reference: Calibration, rate: float, quiet_us: int, confidence: float) -> float:
    """Lowest threshold at which the upper bound of the rate is at most the one asked for.

    Candidates are the scores of the highest rows of the reference period, thinned to :data:`CANDIDATES` over their
    ranks: of at most a tenth of them, and of no more than alarms of half a month each would fill at the rate asked for.
    Below that, alarms run into one another, and episodes become fewer only because they no longer end. A higher
    threshold may give more episodes than a lower one, where a device that is odd all the time goes to and fro across
    it; it is passed over.

    Because the threshold is a rank among scores of the fleet, not a quantile of an assumed law, later scores that are
    exchangeable with them exceed it as often (inductive conformal: Vovk, Gammerman & Shafer 2005; Laxhammar & Falkman
    2015).

    Raises
    ------
    NotEnoughDataError
        If so low a rate cannot be shown to be held in so short a time, whatever the scores.
    """
    months = float(reference.judged.sum()) * reference.every_us / MONTH_US
    needed = needed_device_months(rate, confidence)
    if months < needed:
        raise NotEnoughDataError(
            f"The reference period judges {months:,.1f} device-months; to hold {rate:g} alarms per device-month with "
            f"{confidence:.0%} confidence takes at least {needed:,.1f}.",
            "Take a longer reference period or more devices, or ask for a higher rate.",
        )
    scores = np.sort(reference.score[reference.judged])[::-1]
    ranks = (
        np.unique(
            np.geomspace(1, max(1.0, min(MOST, LONGEST * rate) * len(scores)), CANDIDATES).round().astype(np.int64)
        )
        - 1
    )
    for candidate in np.unique(scores[ranks]):
        if reference.rate(float(candidate), quiet_us).upper(confidence) <= rate:
            return float(candidate)
    return float(np.nextafter(scores[0], np.inf))
