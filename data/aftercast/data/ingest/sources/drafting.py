"""Drafting a fleet spec by looking at the contract's tables: sensors with ranges, components, fault codes."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import ChurnSettings, Component, FaultCode, FleetSpec, Sensor
from aftercast.data.ingest.validation.parsing import parse_cells

WIDENING: Final = 3.0
"""Possible values reach this many spans (0.1 to 99.9 % of the readings) beyond what was seen."""
MOST_CODES: Final = 50
FEWEST_READINGS: Final = 20
NUMERIC_SHARE: Final = 0.9

Rows = Callable[[str], pd.DataFrame]
"""First rows of a table as an import reads them; empty where there is no such table."""


def draft_spec(name: str, rows: Rows, present: Set[str], begun: FleetSpec) -> FleetSpec:
    """Return a first fleet spec; a person looks it over before relying on its ranges.

    Parameters
    ----------
    present
        Tables that there are.
    begun
        What is written already: sections it has filled are taken from it.
    """
    failures, repaired = (_values(rows(table), "component") for table in ("failures", "repairs"))
    found = failures or repaired
    codes = () if begun.fault_codes else _values(rows("faults"), "code")[:MOST_CODES]
    leaving_is_unsaid = "purchases" in present and "left_at" not in rows("customers").columns
    return FleetSpec(
        name=name,
        failures_from="repairs" if repaired and "failures" not in present else "failures",
        sensors=begun.sensors or _sensors(rows("telemetry")),
        components=begun.components or tuple(Component(name=text) for text in sorted(found)),
        fault_codes=begun.fault_codes or tuple(FaultCode(code=code) for code in codes),
        churn=ChurnSettings(rule="inactivity" if leaving_is_unsaid else "left_at"),
    )


def _values(frame: pd.DataFrame, column: str) -> list[str]:
    """Distinct values of a text column as an import stores them, the most frequent first."""
    if column not in frame.columns:
        return []
    return [str(value) for value in parse_cells(frame[column], "text").values.value_counts().index]


def _sensors(frame: pd.DataFrame) -> tuple[Sensor, ...]:
    devices = frame["device_id"] if "device_id" in frame.columns else pd.Series("", index=frame.index)
    names = [str(c) for c in frame.columns if not TABLES["telemetry"].has(str(c)) and not str(c).startswith("_")]
    return tuple(_sensor(name, _numbers(frame[name]), devices) for name in names if _is_numeric(frame[name]))


def _numbers(cells: pd.Series) -> pd.Series:
    """Cells as numbers, missing where they cannot be read or are infinite."""
    numbers = parse_cells(cells, "float").values.astype("float64")
    return numbers.where(np.isfinite(numbers))


def _is_numeric(cells: pd.Series) -> bool:
    """Whether nearly all cells that hold something are numbers; a few broken cells do not hide a sensor."""
    if isinstance(cells.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return False
    read = parse_cells(cells, "float")
    broken = int(read.unparsable.sum())
    return broken <= (1 - NUMERIC_SHARE) * (broken + int(read.values.notna().sum()))


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
