"""Drafting a fleet spec by looking at the contract's tables: sensors with ranges, components, fault codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.errors import InputError
from aftercast.data.fleet import ChurnSettings, Component, FaultCode, FleetSpec, Sensor
from aftercast.data.sources.reading import read_chunks

FILES_LOOKED_AT: Final = 4
WIDENING: Final = 3.0
"""Possible values reach this many spans (0.1 to 99.9 % of the readings) beyond what was seen."""
MOST_CODES: Final = 50
FEWEST_READINGS: Final = 20
NUMERIC_SHARE: Final = 0.9

Files = Mapping[str, Sequence[Path]]


def draft_spec(name: str, files: Files) -> FleetSpec:
    """Return a first fleet spec; a person looks it over before relying on its ranges.

    Raises
    ------
    InputError
        If there are neither devices nor customers.
    """
    if "devices" not in files and "customers" not in files:
        raise InputError(
            f"'{name}' has neither devices nor customers.",
            "Add devices.csv with device_id, device_model, installed_at.",
        )
    failures = _values(files, "failures", "component")
    repaired = _values(files, "repairs", "component")
    return FleetSpec(
        name=name,
        failures_from="failures" if "failures" in files else "repairs",
        sensors=_sensors(files),
        components=tuple(Component(name=text) for text in sorted(set(failures) or set(repaired))),
        fault_codes=tuple(FaultCode(code=code) for code in _values(files, "faults", "code")[:MOST_CODES]),
        churn=ChurnSettings(rule="inactivity") if _leaves_unsaid(files) else ChurnSettings(),
    )


def _leaves_unsaid(files: Files) -> bool:
    """Whether only purchases could tell that a customer left."""
    return "purchases" in files and "left_at" not in _look(files, "customers").columns


def _look(files: Files, table: str) -> pd.DataFrame:
    """Return the first rows of the table's first files, typed; empty where there is no such table."""
    frames = [next(read_chunks(file, typed=True)) for file in list(files.get(table, ()))[:FILES_LOOKED_AT]]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _values(files: Files, table: str, column: str) -> list[str]:
    """Distinct values of a text column, the most frequent first."""
    frame = _look(files, table)
    if column not in frame.columns:
        return []
    return [str(value) for value in frame[column].dropna().astype("str").value_counts().index]


def _sensors(files: Files) -> tuple[Sensor, ...]:
    frame = _look(files, "telemetry")
    devices = frame["device_id"] if "device_id" in frame.columns else pd.Series("", index=frame.index)
    if {"sensor", "value"} <= set(frame.columns):
        groups = {str(name): rows["value"] for name, rows in frame.groupby("sensor")}
    else:
        names = [str(c) for c in frame.columns if not TABLES["telemetry"].has(str(c)) and not str(c).startswith("_")]
        groups = {name: frame[name] for name in names}
    return tuple(_sensor(name, _numbers(cells), devices) for name, cells in groups.items() if _is_numeric(cells))


def _numbers(cells: pd.Series) -> pd.Series:
    """Cells as numbers, missing where they cannot be read or are infinite."""
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    return numbers.where(np.isfinite(numbers))


def _is_numeric(cells: pd.Series) -> bool:
    """Whether nearly all cells that hold something are numbers; a few broken cells do not hide a sensor."""
    if isinstance(cells.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return False
    held = cells.notna().sum()
    return bool(held == 0 or _numbers(cells).notna().sum() >= NUMERIC_SHARE * held)


def _sensor(name: str, readings: pd.Series, devices: pd.Series) -> Sensor:
    values = readings.dropna()
    if len(values) < FEWEST_READINGS:
        return Sensor(name=name)
    low, high = np.quantile(values, [0.001, 0.999])
    room = WIDENING * max(high - low, abs(high), 1.0)
    cumulative = _counts_up(values, devices[values.index])
    floor = 0.0 if low >= 0 else float(low - room)
    return Sensor(name=name, low=floor, high=None if cumulative else float(high + room), cumulative=cumulative)


def _counts_up(values: pd.Series, devices: pd.Series) -> bool:
    """Whether readings never fall on nearly all steps within a device, and do rise."""
    steps = values.groupby(devices).diff().dropna()
    return bool(len(steps) > 0 and (steps >= 0).mean() > 0.99 and (steps > 0).mean() > 0.2)
