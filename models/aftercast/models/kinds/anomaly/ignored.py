"""Sensors that lie: impossible readings were set aside at import, and the sensor is ignored for a while."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from aftercast.features.examples import Examples
from aftercast.models.aliases import Mask
from aftercast.models.kinds.anomaly.signals import Signal
from aftercast.operations.clocks import TIME_DTYPE, to_us

REASON = "impossible_value"
COLUMNS = ("device_id", "sensor", "event_time", "available_at")


def impossible_readings(quarantine: pd.DataFrame) -> pd.DataFrame:
    """Impossible readings among the quarantined records of a store.

    Parameters
    ----------
    quarantine
        What ``Store.quarantine`` returns.

    Returns
    -------
    DataFrame
        device_id, sensor, event_time, available_at (both UTC; a record without availability counts from its event).
        Records whose device or time cannot be read are left out.
    """
    rows = quarantine[(quarantine["table"] == "telemetry") & (quarantine["reason"] == REASON)]
    found = [
        (record.get("device_id"), sensor, record.get("event_time"), record.get("available_at"))
        for sensor, record in zip(rows["column"], map(_record, rows["record"]), strict=True)
    ]
    frame = pd.DataFrame(found, columns=list(COLUMNS), dtype=object)
    for name in ("event_time", "available_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True, errors="coerce", format="ISO8601").astype(TIME_DTYPE)
    frame["available_at"] = frame["available_at"].fillna(frame["event_time"])
    frame = frame[frame["device_id"].notna() & frame["event_time"].notna()].reset_index(drop=True)
    return frame.astype({"device_id": "str", "sensor": "str"})


def ignored_mask(
    quarantined: pd.DataFrame | None, examples: Examples, signals: Sequence[Signal], window_us: int
) -> Mask:
    """Whether the sensor of each signal had an impossible reading in ``(T - window, T]``, shape (n, k).

    Only readings that were available at the cutoff count.
    """
    mask = np.zeros((len(examples), len(signals)), dtype=bool)
    if quarantined is None or len(quarantined) == 0:
        return mask
    seen = np.maximum(to_us(quarantined["event_time"]), to_us(quarantined["available_at"]))
    sensors = quarantined["sensor"].to_numpy(dtype=object)
    devices = quarantined["device_id"].to_numpy(dtype=object)
    for device, sensor in sorted(set(zip(devices.tolist(), sensors.tolist(), strict=True))):
        moments = np.sort(seen[(devices == device) & (sensors == sensor)])
        rows = np.flatnonzero(examples.ids == device)
        cutoffs = examples.cutoff_us[rows]
        inside = np.searchsorted(moments, cutoffs, "right") > np.searchsorted(moments, cutoffs - window_us, "right")
        mask[np.ix_(rows[inside], [signal.sensor == sensor for signal in signals])] = True
    return mask


def ignored_notices(ignored: Mask, signals: Sequence[Signal]) -> dict[int, list[str]]:
    """Notices by row, for rows with ignored sensors."""
    return {
        int(row): [
            f"{name.replace('_', ' ')} is ignored: it sent impossible values, which were set aside"
            for name in dict.fromkeys(signals[j].sensor for j in np.flatnonzero(ignored[row]).tolist())
        ]
        for row in np.flatnonzero(ignored.any(axis=1))
    }


def _record(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
