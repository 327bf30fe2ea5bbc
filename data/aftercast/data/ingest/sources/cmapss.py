"""Source ``cmapss``: NASA's turbofan engines run to failure (simulated).

Layout: ``train_FD00x.txt``, ``test_FD00x.txt`` (plain or gzipped): unit, cycle, three settings, 21 sensors, separated
by blanks. ``RUL_FD00x.txt`` is the answer to the test and is never imported: it must not become a feature. Public
(NASA).

Clocks: there is none. Cycle k is stamped k days after 2000-01-01 UTC and available then, so that a horizon of 30 days
is 30 cycles.

Derived: a training engine fails, and retires, one day after its last cycle; the published remaining life of a row is
the days to that failure less one. A test engine leaves observation one day after its last cycle, without a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from aftercast.data.fleet import Component, FeatureSettings, FleetSpec, Sensor
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.sources.reading import whole_numbers
from aftercast.data.ingest.sources.source import NEW, Source
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.operations.errors import InputError

EPOCH: Final = pd.Timestamp("2000-01-01", tz="UTC").as_unit("us")
COMPONENT: Final = "engine"
NAMES: Final = tuple([f"setting{k}" for k in range(1, 4)] + [f"s{k}" for k in range(1, 22)])
_FILE: Final = re.compile(r"(train|test)_(FD\d{3})\.txt(\.gz)?")


def read(path: Path, spec: FleetSpec) -> Iterator[Batch]:
    """Devices and failures of every file, then its telemetry."""
    for file in _files(path):
        found = _FILE.fullmatch(file.name)
        if found is not None:
            yield from _one_file(file, part=found[1], subset=found[2], spec=spec)


def draft(path: Path, _begun: FleetSpec = NEW, /) -> FleetSpec:
    """Fleet spec of the set: 24 columns, one component that is not repaired, horizons in cycles as days."""
    _files(path)
    return FleetSpec(
        name="cmapss",
        horizons=("7d", "14d", "30d", "60d"),
        sensors=tuple(Sensor(name=name) for name in NAMES),
        components=(Component(name=COMPONENT, repairable=False),),
        features=FeatureSettings(windows=("120h", "480h"), trend_window="480h", event_windows=("168h",)),
    )


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Name the folder that holds train_FD001.txt and its like.")
    files = [path] if path.is_file() else sorted(path.iterdir())
    chosen = [file for file in files if _FILE.fullmatch(file.name)]
    if not chosen:
        raise InputError(f"{path} holds no train_FD00x.txt or test_FD00x.txt.", "Keep the publisher's file names.")
    return chosen


def _rows(file: Path) -> pd.DataFrame:
    columns = ["unit", "cycle", *NAMES]
    try:
        rows = pd.read_csv(file, sep=r"\s+", header=None)
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{file} is empty: 0 rows.", "Fetch it again.") from error
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(f"{file} is damaged or not the publisher's text.", "Fetch it again.") from error
    if rows.shape[1] != len(columns):
        raise InputError(f"{file} has {rows.shape[1]} columns where {len(columns)} belong.", "Fetch it again.")
    named = rows.set_axis(columns, axis="columns")
    return named.assign(unit=whole_numbers(named["unit"], file), cycle=whole_numbers(named["cycle"], file))


def _one_file(file: Path, *, part: str, subset: str, spec: FleetSpec) -> Iterator[Batch]:
    rows = _rows(file)
    ids = f"{subset}-{part}-" + rows["unit"].astype("str")
    times = (EPOCH + pd.to_timedelta(rows["cycle"], unit="D")).astype(TIME_DTYPE)
    ends = times.groupby(ids, sort=True).max() + pd.Timedelta(days=1)
    yield Batch("devices", _devices(ends, subset), file.name)
    if part == "train":
        failures = pd.DataFrame({"device_id": ends.index, "event_time": ends.to_numpy(), "component": COMPONENT})
        yield Batch("failures", _stamped(failures, "event_time"), file.name)
    wanted = [name for name in NAMES if name in spec.sensor_names or not spec.sensors]
    telemetry = rows[wanted].assign(device_id=ids, event_time=times)
    yield Batch("telemetry", _stamped(telemetry, "event_time"), file.name, 1, ends.max())


def _devices(ends: pd.Series, subset: str) -> pd.DataFrame:
    """Each engine twice: from the start, and retired from its end on."""
    new = pd.DataFrame({"device_id": ends.index, "installed_at": EPOCH, "retired_at": pd.NaT, "available_at": EPOCH})
    old = new.assign(retired_at=ends.to_numpy(), available_at=ends.to_numpy())
    both = pd.concat([_utc(new, "retired_at", "available_at"), _utc(old, "retired_at", "available_at")])
    return _utc(both, "installed_at", "available_at").assign(device_model=subset).reset_index(drop=True)


def _utc(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True).astype(TIME_DTYPE) for name in columns})


def _stamped(frame: pd.DataFrame, event: str) -> pd.DataFrame:
    dated = _utc(frame, event)
    return dated.assign(available_at=dated[event])


SOURCE: Final = Source("cmapss", "NASA's turbofan engines, run to failure", read, draft)
