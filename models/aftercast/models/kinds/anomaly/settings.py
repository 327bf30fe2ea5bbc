"""How devices are compared with their past and their cohort, and how alarms are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from aftercast.operations.clocks import parse_duration_us

Comparison = Literal["both", "past", "cohort"]
OWN, ALONE, COHORT = range(3)
"""What a deviation is taken from: own past of the distance to the cohort's median, own past of the value (where there
is no cohort), or the cohort."""
BASES: Final = 3
BASES_OF: Final[dict[str, tuple[int, ...]]] = {
    "both": (OWN, ALONE, COHORT),
    "past": (OWN, ALONE),
    "cohort": (COHORT,),
}


@dataclass(frozen=True)
class AnomalySettings:
    """Settings of an anomaly view; durations are texts such as "7d".

    Attributes
    ----------
    past
        Span of the device's own past; it ends one longest feature window before the cutoff, so that the past shares no
        reading with what is judged.
    minimum_past
        Fewest earlier cutoffs in that span from which a device is compared with itself; below it, with its cohort.
    minimum_cohort
        Fewest devices of one model with a value at one cutoff from which there is a cohort.
    prior_rows, prior_devices
        Weight of the fleet's usual spread, in rows when a device's own spread is estimated and in devices when its
        cohort's is.
    quiet
        A device alarms again only after it was without alarm for longer than this.
    confidence
        One-sided confidence with which the rate of alarms of the reference period is below the one asked for.
    minimum_share
        A device that sends less than this share of its usual reports in the shortest window is not judged by that
        window, and not by the others while most of their reports lie in the shortest: half a day's readings are not
        comparable with a whole one's.
    compare
        "both", or only with the "past" or the "cohort".
    learn_share
        Share of the reference period, at its start, that learns what is usual; the rest sets the threshold.
    """

    past: str = "60d"
    minimum_past: int = 14
    minimum_cohort: int = 5
    prior_rows: int = 200
    prior_devices: int = 300
    quiet: str = "7d"
    confidence: float = 0.9
    minimum_share: float = 0.5
    compare: Comparison = "both"
    learn_share: float = 0.33

    def __post_init__(self) -> None:
        """Refuse a quiet time that is no duration; raises SettingsError."""
        parse_duration_us(self.quiet)

    @property
    def past_us(self) -> int:
        """Span of the own past, microseconds."""
        return parse_duration_us(self.past)

    @property
    def quiet_us(self) -> int:
        """Time without alarm after which a new one counts, microseconds."""
        return parse_duration_us(self.quiet)

    @property
    def bases(self) -> tuple[int, ...]:
        """What is compared with, in order of preference within past and cohort."""
        return BASES_OF[self.compare]

    def prior(self, basis: int) -> int:
        """Weight of the fleet's usual spread for a basis."""
        return self.prior_devices if basis == COHORT else self.prior_rows
