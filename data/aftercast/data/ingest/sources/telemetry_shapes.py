"""Long telemetry (a row per sensor) into wide (a column per sensor), and the telling of one from the other."""

from __future__ import annotations

from typing import Final

import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.operations.errors import InputError

LONG: Final = ("sensor", "value")
CLOCKS: Final = ("device_id", "event_time", "available_at")
REPEAT: Final = "_repeat"
MOST_SENSORS: Final = 2000
LOOKED_AT: Final = 50_000
"""Rows in which repeated instants are looked for."""


def is_long(frame: pd.DataFrame) -> bool:
    """Whether telemetry under the contract's names has a row per sensor."""
    return set(LONG) <= set(frame.columns)


def long_to_wide(frame: pd.DataFrame) -> pd.DataFrame:
    """Long telemetry with a column per sensor; a repeated reading stays a row of its own, for the ingest to judge.

    Raises
    ------
    InputError
        If a sensor has the name of a column of the contract.
    """
    clocks = [name for name in CLOCKS if name in frame.columns]
    sensors = frame["sensor"].astype("str").str.strip()
    taken = sorted(set(CLOCKS) & set(sensors.dropna().unique()))
    if taken:
        raise InputError(
            f"A sensor of long telemetry is called '{taken[0]}', as a column of the table is.",
            f'Give it another name in fleet.toml: [tables.telemetry.values.sensor] {taken[0]} = "{taken[0]}_reading".',
        )
    frame = frame.assign(sensor=sensors)
    repeat = frame.groupby([*clocks, "sensor"], dropna=False, sort=False).cumcount()
    keyed = frame.assign(**{REPEAT: repeat}).set_index([*clocks, REPEAT, "sensor"])["value"]
    wide = keyed.unstack("sensor")  # noqa: PD010 - text values; pivot_table would try to average them
    return wide.reset_index().drop(columns=REPEAT).rename_axis(columns=None)


def find_sensor_column(frame: pd.DataFrame) -> str | None:
    """Column that tells apart the several rows that a device has at one instant; None where there are none such."""
    if not {"device_id", "event_time"} <= set(frame.columns):
        return None
    others = [str(name) for name in frame.columns if not TABLES["telemetry"].has(str(name))]
    frame = frame.head(LOOKED_AT)
    keys = frame[["device_id", "event_time"]]
    repeated = keys.duplicated(keep=False)
    if repeated.mean() < 0.5:
        return None
    rows = frame[repeated]
    for name in others:
        distinct = rows[name].nunique()
        if 2 <= distinct <= min(MOST_SENSORS, len(rows) / 2) and _tells_apart(rows, name):
            return name
    return None


def _tells_apart(rows: pd.DataFrame, name: str) -> bool:
    return bool(rows.duplicated(["device_id", "event_time", name]).mean() < 0.05) and not _is_reading(rows[name])


def _is_reading(cells: pd.Series) -> bool:
    """Whether a column holds measured numbers; codes such as 001 are none."""
    texts = cells.dropna().astype("str")
    return bool(texts.str.contains(r"\d[.,]\d", regex=True).any()) or (
        bool(texts.str.fullmatch(r"[+-]?\d+").all()) and texts.nunique() > 50
    )


def refuse_unsaid_long(frame: pd.DataFrame, origin: str) -> None:
    """Raise InputError for telemetry that looks long and is not said to be."""
    name = find_sensor_column(frame)
    if name is not None:
        others = [str(each) for each in frame.columns if not TABLES["telemetry"].has(str(each)) and str(each) != name]
        value = others[0] if others else "value"
        raise InputError(
            f"{origin}: several rows per device and instant differ in '{name}': is it long telemetry?",
            f'Then write in fleet.toml: [tables.telemetry.columns] sensor = "{name}", value = "{value}".',
        )
