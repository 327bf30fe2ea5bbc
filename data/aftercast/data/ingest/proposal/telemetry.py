"""What telemetry shows by itself: its shape, how often it comes, units in its headers, and flags."""

from __future__ import annotations

import re
from typing import Final

import pandas as pd

from aftercast.data.fleet import FeatureSettings
from aftercast.data.ingest.proposal.names import words
from aftercast.data.ingest.validation.units import is_unit
from aftercast.operations.clocks import DAY_US, HOUR_US, format_duration

LADDER_HOURS: Final = (24, 72, 168, 720, 2160, 8760)
"""Windows that are proposed, in hours."""
FLAG_WORDS: Final = frozenset(
    {"failure", "fail", "failed", "fault", "label", "target", "rul", "broken", "故障", "失效"}
)
_UNIT: Final = re.compile(r"^(?P<name>.*?)[\s_]*[\[(（【]\s*(?P<unit>[^\])）】]+?)\s*[\])）】]\s*$")


def split_unit(header: str) -> tuple[str, str]:
    """Name of a sensor and its unit, empty where the header names none.

    >>> split_unit("oil temp [°C]"), split_unit("flow (left side)")
    (('oil temp', '°C'), ('flow (left side)', ''))
    """
    found = _UNIT.match(header)
    if found is None or not found["name"] or not is_unit(found["unit"]):
        return header, ""
    return found["name"], found["unit"]


def is_flag(name: str, cells: pd.Series) -> bool:
    """Whether a column is called like a failure and holds 0 and 1 only: the answer, not a sensor."""
    if not FLAG_WORDS & set(words(name)):
        return False
    numbers = pd.to_numeric(cells, errors="coerce").dropna()
    return len(numbers) > 0 and bool(numbers.isin((0, 1)).all())


def cadence_us(devices: pd.Series, times: pd.Series) -> int | None:
    """Usual time between two readings of a device in microseconds; None where no device has two."""
    frame = pd.DataFrame({"device": devices.astype("str"), "time": times}).dropna().drop_duplicates()
    steps = frame.sort_values(["device", "time"]).groupby("device")["time"].diff().dropna()
    return None if len(steps) == 0 else round(steps.dt.total_seconds().median() * 1e6)


def propose_windows(every_us: int, delay_us: int) -> FeatureSettings | None:
    """Windows that hold at least two known readings; None where the usual ones do.

    >>> propose_windows(86_400_000_000, 86_400_000_000).windows
    ('72h', '168h', '720h')
    """
    wanted = 2 * every_us + delay_us
    if wanted <= DAY_US:
        return None
    first = next((place for place, hours in enumerate(LADDER_HOURS[:-2]) if hours * HOUR_US >= wanted), 3)
    windows = tuple(f"{hours}h" for hours in LADDER_HOURS[first : first + 3])
    return FeatureSettings(
        windows=windows, trend_window=windows[1], stale_after=format_duration(max(3 * DAY_US, wanted + every_us))
    )
