"""A sensor shows what physics forbids: the cell goes to quarantine, the rest of its row stays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aftercast.data.fleet import Sensor
from aftercast.data.ingest.validation.draft import Draft, Finding, Mask

REASON = "impossible_value"
ORDER = 40


def check(draft: Draft) -> Iterator[Finding]:
    """Yield sensor cells that are infinite or outside [low, high] (both ends possible)."""
    limits = {sensor.name: sensor for sensor in draft.spec.sensors}
    for name in draft.sensors:
        sensor = limits.get(name, Sensor(name=name))
        rows = _impossible(np.asarray(draft.frame[name], dtype=np.float64), sensor)
        if rows.any():
            yield Finding(REASON, rows, name, _about(sensor), cell_only=True)


def _impossible(values: np.ndarray[tuple[int], np.dtype[np.float64]], sensor: Sensor) -> Mask:
    rows = np.isinf(values)
    if sensor.low is not None:
        rows |= values < sensor.low
    if sensor.high is not None:
        rows |= values > sensor.high
    return rows


def _about(sensor: Sensor) -> str:
    low = "-inf" if sensor.low is None else f"{sensor.low:g}"
    high = "inf" if sensor.high is None else f"{sensor.high:g}"
    return f"is outside [{low}, {high}] {sensor.unit}".rstrip()
