"""Sensors that lie: impossible readings were set aside at import, and the sensor is ignored for a while."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from aftercast.data import ingest
from aftercast.features.examples import Examples
from aftercast.models.aliases import Mask
from aftercast.models.kinds.anomaly.signals import Signal
from aftercast.operations.clocks import to_us


def impossible_readings(quarantine: pd.DataFrame) -> pd.DataFrame:
    """Impossible readings among the quarantined records of a store, each known at the latest when it happened.

    Parameters
    ----------
    quarantine
        What ``Store.quarantine`` returns.

    Returns
    -------
    DataFrame
        device_id, sensor, event_time, available_at (both UTC).
    """
    found = ingest.impossible_readings(quarantine)
    # Without the fleet's delay, unlike the readings that scores mention: such a record counts from its event here.
    return found.assign(available_at=found["available_at"].fillna(found["event_time"]))


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
