"""Impossible inputs: which sensors of a device sent values that physics forbids shortly before a cutoff."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.clocks import from_us
from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.scope import Scope

IMPOSSIBLE: Final = "impossible_value"


def impossible_inputs(
    store: Store, spec: FleetSpec, ids: npt.NDArray[Any], cutoff: pd.Timestamp, *, version: int | None = None
) -> npt.NDArray[Any]:
    """Sensors of each device with a quarantined value at ``cutoff - longest window < event time <= cutoff``.

    Returns
    -------
    array of tuples of text, shape (n,)
    """
    out = np.empty(len(ids), dtype=object)
    out[:] = [()] * len(ids)
    found = _cells(store.quarantine(version))
    recent = found[(found["event_time"] > cutoff - _longest(spec)) & (found["event_time"] <= cutoff)]
    place = {str(device_id): i for i, device_id in enumerate(ids)}
    for device_id, rows in recent.groupby("device_id"):
        if device_id in place:
            out[place[str(device_id)]] = tuple(sorted(set(rows["column"])))
    return out


def _longest(spec: FleetSpec) -> pd.Timedelta:
    return pd.Timedelta(max(Scope(spec).windows, default=0), unit="us")


def _cells(quarantine: pd.DataFrame) -> pd.DataFrame:
    """Quarantined cells of telemetry: device_id, event_time, column."""
    cells = quarantine[(quarantine["reason"] == IMPOSSIBLE) & (quarantine["table"] == "telemetry")]
    records = [json.loads(text) for text in cells["record"]]
    times = pd.to_datetime([record.get("event_time") for record in records], utc=True, errors="coerce", format="mixed")
    return pd.DataFrame(
        {
            "device_id": [str(record.get("device_id")) for record in records],
            "event_time": times if records else from_us(np.array([], dtype=np.int64)),
            "column": cells["column"].to_numpy(),
        }
    )
