"""Source ``backblaze``: hard-drive statistics, one inventory of all drives a day (real).

Layout: the publisher's daily CSV (``date, serial_number, model, capacity_bytes, failure, smart_N_normalized,
smart_N_raw``), plain or gzipped, Parquet with several days, or a folder of either, under any names; a day that two
files hold is read from both. Free to use, cite Backblaze.

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

from aftercast.data.fleet import Component, FeatureSettings, FleetSpec, Rule, Sensor, TableSettings
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.sources.days import Piece, read_days
from aftercast.data.ingest.sources.reading import is_readable, read_chunks, whole_numbers
from aftercast.data.ingest.sources.source import NEW, Source
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.operations.errors import InputError

REQUIRED: Final = ("date", "serial_number", "model", "failure")
IDS: Final = ("serial_number", "model")
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
        rows = rows[rows["serial_number"].notna()]
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
    """Devices, failures and telemetry of one day after the other."""
    inventory = _Inventory()
    for pieces in read_days(_files(path), "date", required=REQUIRED, text=IDS):
        date, origin = pieces[0].date, ", ".join(piece.file.name for piece in pieces)
        rows = pd.concat([_checked(piece) for piece in pieces], ignore_index=True)
        for table, frame in (("devices", inventory.day(rows, date)), ("failures", _failures(rows, date))):
            if len(frame) > 0:
                yield Batch(table, frame, origin, covers_until=date)
        for piece in pieces:
            first_row = int(piece.rows.index[0]) + 1
            yield Batch("telemetry", _telemetry(piece.rows, date, spec), piece.file.name, first_row, date)


def draft(path: Path, _begun: FleetSpec = NEW, /) -> FleetSpec:
    """Fleet spec with every raw SMART attribute the first or last file has, one component, the publisher's rules."""
    files = _files(path)
    found = {name for file in (files[0], files[-1]) for name in _attributes(file)}
    present = sorted(found, key=lambda name: int(name.split("_")[1]))
    return FleetSpec(
        name="backblaze",
        horizons=("24h", "72h", "7d"),
        sensors=tuple(
            Sensor(name=name, unit=UNITS.get(name, ""), low=0.0, high=LARGEST_RAW, cumulative=name == POWER_ON_HOURS)
            for name in present
        ),
        components=(Component(name=COMPONENT, repairable=False),),
        rules=tuple(Rule(sensor=name, above=0) for name in WATCHED if name in present),
        features=FeatureSettings(event_windows=("168h",)),
        tables={"devices": TableSettings(attributes={"capacity_bytes": "constant"})},
    )


def _attributes(file: Path) -> list[str]:
    """Raw SMART attributes that are ever present in the first rows of a file."""
    first = next(read_chunks(file, required=REQUIRED, typed=True, text=IDS))
    return [str(name) for name in first.columns if _RAW.fullmatch(str(name)) and bool(first[name].notna().any())]


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Name a daily CSV, a Parquet file, or a folder of them.")
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if is_readable(file)]
    if not files:
        raise InputError(f"{path} holds no CSV or Parquet file.", "Unpack the publisher's archive into it.")
    return files


def _checked(piece: Piece) -> pd.DataFrame:
    """Rows whose failure flag is read as a number; anything but 0 and 1 would lose failures unseen."""
    flags = whole_numbers(piece.rows["failure"], piece.file)
    odd = ~flags.isin((0, 1))
    if bool(odd.any()):
        raise InputError(
            f"{piece.file}: {int(odd.sum()):,} of {len(flags):,} rows of {piece.date:%Y-%m-%d} have a 'failure' "
            f"that is neither 0 nor 1, first '{flags[odd].iloc[0]}'.",
            "Fetch the publisher's file again.",
        )
    return piece.rows.assign(failure=flags)


def _first_seen(new: pd.DataFrame, date: pd.Timestamp) -> Iterator[tuple[str, str, pd.Timestamp, float | None]]:
    rows = len(new)
    raw = new[POWER_ON_HOURS] if POWER_ON_HOURS in new.columns else pd.Series(np.nan, index=new.index)
    hours = np.asarray(pd.to_numeric(raw, errors="coerce"), dtype=np.float64)
    plausible = np.where((hours >= 0) & (hours <= LONGEST_LIFE_HOURS), hours, 0.0)
    installed = date - pd.to_timedelta(plausible, unit="h")
    capacity = new["capacity_bytes"].to_numpy() if "capacity_bytes" in new.columns else [None] * rows
    yield from zip(new["serial_number"], new["model"], installed, capacity, strict=True)


def _failures(day: pd.DataFrame, date: pd.Timestamp) -> pd.DataFrame:
    failed = day.loc[day["failure"] == 1, "serial_number"].astype("str")
    times = pd.Series([date] * len(failed), index=failed.index, dtype=TIME_DTYPE)
    return pd.DataFrame({"device_id": failed, "event_time": times, "component": COMPONENT, "available_at": times})


def _telemetry(day: pd.DataFrame, date: pd.Timestamp, spec: FleetSpec) -> pd.DataFrame:
    names = [str(name) for name in day.columns if _RAW.fullmatch(str(name))]
    names = [name for name in names if name in spec.sensor_names or not spec.sensors]
    times = pd.Series([date] * len(day), index=day.index, dtype=TIME_DTYPE)
    return day[names].assign(device_id=day["serial_number"].astype("str"), event_time=times, available_at=times)


SOURCE: Final = Source("backblaze", "daily drive statistics, the publisher's CSV or Parquet", read, draft)
