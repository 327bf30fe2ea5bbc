"""Drafting a fleet spec by looking at the contract's tables: sensors with ranges, components, fault codes."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.fleet import UNNAMED, ChurnSettings, Component, FaultCode, FleetSpec, Sensor
from aftercast.data.ingest.validation.parsing import parse_cells

WIDENING: Final = 3.0
"""Possible values reach this many spans (0.1 to 99.9 % of the readings) beyond what was seen."""
SENTINELS: Final = (
    *(-9.0, -99.0, -999.0, -9999.0, -99999.0, -999.25, -127.0, 85.0),
    *(9999.0, 99999.0, 999999.0, 127.0, 255.0, 32767.0, -32768.0, 65535.0),
    *(2147483647.0, -2147483648.0, 4294967295.0),
)
"""What devices write for "no reading", set aside where it lies far from all other readings."""
SKEWED: Final = 10.0
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
    from_repairs = "failures" not in present
    unnamed = [UNNAMED] if from_repairs and _names_no_component(rows("repairs")) else []
    found = failures or repaired
    codes = () if begun.fault_codes else _values(rows("faults"), "code")[:MOST_CODES]
    leaving_is_unsaid = "purchases" in present and "left_at" not in rows("customers").columns
    return FleetSpec(
        name=name,
        failures_from="repairs" if (repaired or unnamed) and from_repairs else "failures",
        sensors=begun.sensors or _sensors(rows("telemetry")),
        components=begun.components
        or (*(Component(name=text) for text in sorted(found)), *(Component(name=n, repairable=False) for n in unnamed)),
        fault_codes=begun.fault_codes or tuple(FaultCode(code=code) for code in codes),
        churn=ChurnSettings(rule="inactivity" if leaving_is_unsaid else "left_at"),
    )


def _values(frame: pd.DataFrame, column: str) -> list[str]:
    """Distinct values of a text column as an import stores them, the most frequent first."""
    if column not in frame.columns:
        return []
    return [str(value) for value in parse_cells(frame[column], "text").values.value_counts().index]


def _names_no_component(orders: pd.DataFrame) -> bool:
    """Whether there are corrective work orders that name no component."""
    if "kind" not in orders.columns:
        return False
    corrective = orders[parse_cells(orders["kind"], "text").values == "corrective"]
    if "component" not in orders.columns:
        return len(corrective) > 0
    return bool(parse_cells(corrective["component"], "text").values.isna().any())


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
    far = (values < low - room) | (values > high + room)
    values = values[~(far & values.isin(SENTINELS))]
    cumulative = _counts_up(values, devices[values.index])
    counts = cumulative and low >= 0  # what counts up never falls below zero: such a reading is a slip of the counter
    floor = 0.0 if counts or values.min() >= 0 else float(min(low - room, values.min()))
    ceiling = None if cumulative or _is_rare_count(values) else float(max(high + room, values.max()))
    return Sensor(name=name, low=floor, high=ceiling, cumulative=cumulative)


def _is_rare_count(values: pd.Series) -> bool:
    """Whether readings count something that rarely happens: whole, never negative, and mostly small beside the largest.

    What is yet to come of errors, retries or reallocated sectors has no end that was seen.
    """
    whole = bool(((values >= 0) & (values % 1 == 0)).all())
    middle, most = (float(each) for each in np.quantile(values, [0.5, 0.99]))
    return whole and (middle == 0 or float(values.max()) > SKEWED * max(most, 1.0))


def _counts_up(values: pd.Series, devices: pd.Series) -> bool:
    """Whether readings never fall on nearly all steps within a device, and do rise."""
    steps = values.groupby(devices).diff().dropna()
    return bool(len(steps) > 0 and (steps >= 0).mean() > 0.99 and (steps > 0).mean() > 0.2)
