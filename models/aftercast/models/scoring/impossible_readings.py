"""Impossible inputs: which sensors of a device sent values that physics forbids shortly before a cutoff."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.store import Store
from aftercast.features.scope import Scope
from aftercast.operations.clocks import parse_duration_us

IMPOSSIBLE: Final = "impossible_value"


def impossible_inputs(
    store: Store, spec: FleetSpec, ids: npt.NDArray[Any], cutoff: pd.Timestamp, *, version: int | None = None
) -> npt.NDArray[Any]:
    """Sensors of each device with a quarantined value at ``cutoff - longest window < event time <= cutoff``.

    A value that became known only after the cutoff does not count.

    Returns
    -------
    array of tuples of text, shape (n,)
    """
    out = np.empty(len(ids), dtype=object)
    out[:] = [()] * len(ids)
    found = sensors_before(_quarantined(store.quarantine(version), spec), spec, cutoff)
    for i, device_id in enumerate(ids):
        out[i] = found.get(str(device_id), ())
    return out


def cells_of(records: Sequence[Mapping[str, Any]], columns: Sequence[Any], spec: FleetSpec) -> pd.DataFrame:
    """Cells of telemetry records: device_id, event_time, available_at, column.

    A record without ``available_at`` was known when an import would have said so: at its event time, and
    ``available_after`` of the fleet later.
    """
    event = _times(records, "event_time")
    return pd.DataFrame(
        {
            "device_id": [str(record.get("device_id")) for record in records],
            "event_time": event,
            "available_at": _times(records, "available_at").fillna(event + _delay(spec)),
            "column": list(columns),
        }
    )


def sensors_before(
    cells: pd.DataFrame, spec: FleetSpec, cutoff: pd.Timestamp, *, until: pd.Timestamp | None = None
) -> dict[str, tuple[str, ...]]:
    """Sensors of each device with a cell in the longest window before the cutoff, each once, ascending.

    Parameters
    ----------
    cells
        What :func:`cells_of` returns.
    until
        The end of the window, and when the cells must have been known (UTC); None is the cutoff.
    """
    end = cutoff if until is None else until
    known = (cells["event_time"] <= end) & (cells["available_at"] <= end)
    recent = cells[known & (cells["event_time"] > cutoff - _longest(spec))]
    return {str(device_id): tuple(sorted(set(rows["column"]))) for device_id, rows in recent.groupby("device_id")}


def _longest(spec: FleetSpec) -> pd.Timedelta:
    return pd.Timedelta(max(Scope(spec).windows, default=0), unit="us")


def _delay(spec: FleetSpec) -> pd.Timedelta:
    return pd.Timedelta(0 if spec.available_after == "0h" else parse_duration_us(spec.available_after), unit="us")


def _quarantined(quarantine: pd.DataFrame, spec: FleetSpec) -> pd.DataFrame:
    cells = quarantine[(quarantine["reason"] == IMPOSSIBLE) & (quarantine["table"] == "telemetry")]
    return cells_of([json.loads(text) for text in cells["record"]], cells["column"].tolist(), spec)


def _times(records: Sequence[Mapping[str, Any]], name: str) -> pd.Series:
    """Times of records (UTC), NaT where there is none that can be read."""
    values = pd.Series([record.get(name) for record in records], dtype="object")
    return pd.to_datetime(values, utc=True, errors="coerce", format="mixed").astype("datetime64[us, UTC]")
