"""A small fleet for every test of features: its spec, and frames made of short rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from aftercast.data.contract import TABLES
from aftercast.data.fleet import Component, FaultCode, FeatureSettings, FleetSpec, Sensor, TableSettings
from aftercast.operations.clocks import TIME_DTYPE

START = pd.Timestamp("2024-01-01", tz="UTC").as_unit("us")
TIMES = {column.name for table in TABLES.values() for column in table.columns if column.kind == "time"}
FLOATS = {column.name for table in TABLES.values() for column in table.columns if column.kind == "float"}
Frame = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def spec() -> FleetSpec:
    return FleetSpec(
        name="small",
        sensors=(Sensor(name="volt", unit="V"), Sensor(name="hours", unit="h", cumulative=True)),
        components=(Component(name="pump"), Component(name="frame", repairable=False)),
        fault_codes=(FaultCode(code="E1"),),
        tables={"devices": TableSettings(attributes={"load": "constant", "site": "constant"})},
        features=FeatureSettings(
            windows=("3h", "24h"), trend_window="24h", half_life="3h", event_windows=("24h", "240h"), stale_after="24h"
        ),
    )


@pytest.fixture(scope="session")
def at() -> Callable[[float], pd.Timestamp]:
    """Instant so many hours after the start of the tests' time."""
    return lambda hours: START + pd.Timedelta(hours=hours)


@pytest.fixture(scope="session")
def frame() -> Frame:
    """Frame of rows whose times are hours after the start; ``available_at`` is the first time where it is not named."""

    def make(columns: str, rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
        names = columns.split()
        made = pd.DataFrame([list(row) for row in rows], columns=names)
        if "available_at" not in names:
            first = next(name for name in names if name in TIMES)
            made["available_at"] = made[first]
        for name in set(made.columns) & TIMES:
            made[name] = (START + pd.to_timedelta(made[name].astype("float64"), unit="h")).astype(TIME_DTYPE)
        numbers = set(made.columns) & (FLOATS | {"volt", "hours"})
        return made.astype(dict.fromkeys(numbers, "float64"))

    return make


@pytest.fixture(scope="session")
def devices(frame: Frame) -> Callable[..., pd.DataFrame]:
    """Devices by id, installed long before the start, all of one model."""

    def make(*ids: str) -> pd.DataFrame:
        rows = [(i, "M1", -1000, None, "c1", 500) for i in ids]
        columns = "device_id device_model installed_at retired_at customer_id warranty_until"
        return frame(columns, rows)

    return make
