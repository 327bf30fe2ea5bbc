"""Source ``backblaze``: hard-drive statistics, one inventory of all drives a day (real).

Layout: the publisher's daily CSV (``date, serial_number, model, capacity_bytes, failure, smart_N_normalized,
smart_N_raw``), a folder of them, or Parquet files with several days in order. Free to use, cite Backblaze.

Clocks: the date is the publisher's only clock. A day's snapshot, and a failure flagged on that day, are stamped 00:00
UTC of the date, so that "fails within 7 days of the snapshot of D" is ``(D, D + 7d]``. Everything is available at its
stamp.

Derived: ``installed_at`` is the first snapshot less the power-on hours (smart_9) it shows. A drive retires on the day
it fails, or on the first later inventory that misses it: known on that day, not before. One that comes back is in the
field again. State is carried through one import only: drives that vanish between two imports stay, silent, in the
field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.batches import Batch
from aftercast.data.clocks import TIME_DTYPE
from aftercast.data.errors import InputError
from aftercast.data.fleet import Component, FeatureSettings, FleetSpec, Rule, Sensor
from aftercast.data.sources.reading import ROWS_AT_ONCE, is_readable, read_chunks, utc
from aftercast.data.sources.source import Source

REQUIRED: Final = ("date", "serial_number", "model", "failure")
COMPONENT: Final = "drive"
POWER_ON_HOURS: Final = "smart_9_raw"
LONGEST_LIFE_HOURS: Final = 15 * 365.25 * 24
"""Longer power-on hours are a counter in another unit: such a drive is taken as new at its first snapshot."""
LARGEST_RAW: Final = float(2**48 - 1)
"""A raw SMART value has six bytes."""
UNITS: Final = {"smart_9_raw": "h", "smart_194_raw": "°C", "smart_190_raw": "°C"}
WATCHED: Final = ("smart_5_raw", "smart_187_raw", "smart_188_raw", "smart_197_raw", "smart_198_raw")
"""The five attributes whose raw value above zero the publisher itself acts on."""
_RAW: Final = re.compile(r"smart_\d+_raw")


@dataclass
class _Inventory:
    """Which drives the last day's inventory held, and what to tell about a day."""

    present: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    models: dict[str, tuple[str, pd.Timestamp, float | None]] = field(default_factory=dict)

    def day(self, rows: pd.DataFrame, date: pd.Timestamp) -> pd.DataFrame:
        """Device versions that became known on a date: new and returned drives, failed and vanished ones."""
        failed = set(rows.loc[rows["failure"] == 1, "serial_number"])
        today = set(rows["serial_number"])
        new = rows[~rows["serial_number"].isin(self.models.keys())]
        self.models |= {row[0]: row[1:] for row in _first_seen(new, date)}
        started = set(new["serial_number"]) | (today & self.gone)
        retired = failed | (self.present - today)
        self.gone = (self.gone - today) | retired
        self.present = today - failed
        return self._versions(sorted(started | retired), retired, date)

    def _versions(self, serials: list[str], retired: set[str], date: pd.Timestamp) -> pd.DataFrame:
        facts = [self.models[serial] for serial in serials]
        return pd.DataFrame(
            {
                "device_id": pd.Series(serials, dtype="str"),
                "device_model": pd.Series([fact[0] for fact in facts], dtype="str"),
                "installed_at": pd.Series([fact[1] for fact in facts], dtype=TIME_DTYPE),
                "retired_at": pd.Series([date if s in retired else pd.NaT for s in serials], dtype=TIME_DTYPE),
                "capacity_bytes": pd.Series([fact[2] for fact in facts], dtype="float64"),
                "available_at": pd.Series([date] * len(serials), dtype=TIME_DTYPE),
            }
        )


def read(path: Path, spec: FleetSpec) -> Iterator[Batch]:
    """Devices, failures and telemetry of several days at a time, days in order."""
    inventory = _Inventory()
    waiting: dict[str, list[pd.DataFrame]] = {"devices": [], "failures": [], "telemetry": []}
    rows, date = 0, None
    for date, day in _days(path):
        waiting["devices"].append(inventory.day(day, date))
        waiting["failures"].append(_failures(day, date))
        waiting["telemetry"].append(_telemetry(day, date, spec))
        rows += len(day)
        if rows >= ROWS_AT_ONCE:
            yield from _batches(waiting, path, date)
            rows = 0
    if date is not None:
        yield from _batches(waiting, path, date)


def draft(path: Path) -> FleetSpec:
    """Fleet spec with every raw SMART attribute that is ever present, one component, the publisher's watch rules."""
    file = _files(path)[0]
    first = next(read_chunks(file, required=REQUIRED, typed=True))
    present = [str(name) for name in first.columns if _RAW.fullmatch(str(name)) and bool(first[name].notna().any())]
    return FleetSpec(
        name="backblaze",
        horizons=("24h", "72h", "7d"),
        sensors=tuple(_sensor(name) for name in present),
        components=(Component(name=COMPONENT, repairable=False),),
        rules=tuple(Rule(sensor=name, above=0) for name in WATCHED if name in present),
        features=FeatureSettings(windows=("24h", "72h", "168h"), event_windows=("168h",)),
    )


def _sensor(name: str) -> Sensor:
    return Sensor(name=name, unit=UNITS.get(name, ""), low=0.0, high=LARGEST_RAW, cumulative=name == POWER_ON_HOURS)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Name a daily CSV, a Parquet file, or a folder of them.")
    if path.is_file():
        return [path]
    files = [file for file in sorted(path.rglob("*")) if is_readable(file)]
    parquet = [file for file in files if file.suffix == ".parquet"]
    if not files:
        raise InputError(f"{path} holds no CSV or Parquet file.", "Unpack the publisher's archive into it.")
    return parquet or files


def _days(path: Path) -> Iterator[tuple[pd.Timestamp, pd.DataFrame]]:
    """Rows of each date, dates ascending; a date that continues in the next chunk or file is joined."""
    open_date: pd.Timestamp | None = None
    parts: list[pd.DataFrame] = []
    for file in _files(path):
        for chunk in read_chunks(file, required=REQUIRED, typed=True):
            dates = utc(chunk["date"], file)
            for date, rows in chunk.groupby(dates, sort=False):
                moment = pd.Timestamp(str(date))
                if open_date is not None and moment != open_date:
                    yield open_date, pd.concat(parts, ignore_index=True)
                    parts = []
                if open_date is not None and moment < open_date:
                    raise InputError(
                        f"{file}: {moment:%Y-%m-%d} follows {open_date:%Y-%m-%d}.",
                        "Put the days in order by file name.",
                    )
                open_date, parts = moment, [*parts, rows]
    if open_date is not None:
        yield open_date, pd.concat(parts, ignore_index=True)


def _first_seen(new: pd.DataFrame, date: pd.Timestamp) -> Iterator[tuple[str, str, pd.Timestamp, float | None]]:
    rows = len(new)
    hours = new[POWER_ON_HOURS].to_numpy(dtype="float64") if POWER_ON_HOURS in new.columns else np.full(rows, np.nan)
    plausible = np.where((hours >= 0) & (hours <= LONGEST_LIFE_HOURS), hours, 0.0)
    installed = date - pd.to_timedelta(plausible, unit="h")
    capacity = new["capacity_bytes"].to_numpy() if "capacity_bytes" in new.columns else [None] * rows
    yield from zip(new["serial_number"], new["model"], installed, capacity, strict=True)


def _failures(day: pd.DataFrame, date: pd.Timestamp) -> pd.DataFrame:
    failed = day.loc[day["failure"] == 1, "serial_number"].astype("str")
    times = pd.Series([date] * len(failed), index=failed.index, dtype=TIME_DTYPE)
    return pd.DataFrame({"device_id": failed, "event_time": times, "component": COMPONENT, "available_at": times})


def _telemetry(day: pd.DataFrame, date: pd.Timestamp, spec: FleetSpec) -> pd.DataFrame:
    names = [name for name in spec.sensor_names if name in day.columns]
    times = pd.Series([date] * len(day), index=day.index, dtype=TIME_DTYPE)
    return day[names].assign(device_id=day["serial_number"].astype("str"), event_time=times, available_at=times)


def _batches(waiting: dict[str, list[pd.DataFrame]], path: Path, until: pd.Timestamp) -> Iterator[Batch]:
    for table, frames in waiting.items():
        filled = [frame for frame in frames if len(frame) > 0]
        frames.clear()
        if filled:
            yield Batch(table, pd.concat(filled, ignore_index=True), path.name, 1, until)


SOURCE: Final = Source("backblaze", "daily drive statistics, the publisher's CSV or Parquet", read, draft)
