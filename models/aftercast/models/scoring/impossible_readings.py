"""Impossible inputs: which sensors of a device sent values that physics forbids shortly before a cutoff."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import impossible_readings, readings_of
from aftercast.data.store import Store
from aftercast.features.scope import Scope


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
    found = sensors_before(_dated(impossible_readings(store.quarantine(version)), spec), spec, cutoff)
    for i, device_id in enumerate(ids):
        out[i] = found.get(str(device_id), ())
    return out


def cells_of(records: Sequence[Mapping[str, Any]], sensors: Sequence[Any], spec: FleetSpec) -> pd.DataFrame:
    """Cells of telemetry records: device_id, sensor, event_time, available_at.

    A record without ``available_at`` was known when an import would have said so: at its event time, and
    ``available_after`` of the fleet later.
    """
    return _dated(readings_of(records, sensors), spec)


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
    return {str(device_id): tuple(sorted(set(rows["sensor"]))) for device_id, rows in recent.groupby("device_id")}


def _longest(spec: FleetSpec) -> pd.Timedelta:
    return pd.Timedelta(max(Scope(spec).windows, default=0), unit="us")


def _dated(readings: pd.DataFrame, spec: FleetSpec) -> pd.DataFrame:
    return readings.assign(
        available_at=readings["available_at"].fillna(readings["event_time"] + spec.delay("telemetry"))
    )
