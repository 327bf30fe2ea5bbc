"""Readings that physics forbids: an import sets them aside, and who judges a device asks which of its sensors lie."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from aftercast.data.ingest.records import typed_columns

IMPOSSIBLE: Final = "impossible_value"


def impossible_readings(quarantine: pd.DataFrame) -> pd.DataFrame:
    """Impossible readings among the quarantined records of a store.

    Parameters
    ----------
    quarantine
        What ``Store.quarantine`` returns.

    Returns
    -------
    DataFrame
        As :func:`readings_of`.
    """
    rows = quarantine[(quarantine["table"] == "telemetry") & (quarantine["reason"] == IMPOSSIBLE)]
    return readings_of([json.loads(text) for text in rows["record"]], rows["column"].tolist())


def readings_of(records: Sequence[Mapping[str, Any]], sensors: Sequence[Any]) -> pd.DataFrame:
    """One reading of each telemetry record, shape (n,).

    Returns
    -------
    DataFrame
        device_id, sensor, event_time, available_at (both UTC; ``available_at`` is NaT where the record has none).
        Records whose device or time cannot be read are left out.
    """
    frame = typed_columns("telemetry", ("device_id", "event_time", "available_at"), records)
    frame.insert(1, "sensor", pd.Series(list(sensors), dtype="str"))
    return frame[frame["device_id"].notna() & frame["event_time"].notna()].reset_index(drop=True)
