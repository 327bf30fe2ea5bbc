"""Source ``navarchos``: engine telemetry of a vehicle fleet and its services (real; Giannoulidis et al., EDBT 2024).

Layout: ``telemetry.parquet`` (vehicle_id, timestamp, six OBD-II readings about every 10 s while driving) and
``services.csv`` (vehicle_id, dt, action_type R repair or S service, desc).

Licence: none stated; cite the paper.

Clocks: times carry no zone and are read as UTC; a record is available when it happened. Of a service only the date is
real (all are stamped 17:34:41).

Derived: a repair is corrective, a service preventive, both of the one component "vehicle" because the free text names
parts too loosely; accident and tyre work is not told apart, so few of these repairs are failures that telemetry could
announce.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from aftercast.data.fleet import Component, FeatureSettings, FleetSpec, Sensor
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.sources.reading import read_chunks, read_file, utc, whole_numbers
from aftercast.data.ingest.sources.source import NEW, Source
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.operations.errors import InputError

COMPONENT: Final = "vehicle"
COLUMNS: Final = {
    "rpm": Sensor(name="rpm", unit="rpm", low=0, high=10_000),
    "obdSpeed": Sensor(name="speed", unit="km/h", low=0, high=300),
    "mapIntake": Sensor(name="intake_pressure", unit="kPa", low=0, high=400),
    "intakeTemp": Sensor(name="intake_temp", unit="°C", low=-50, high=200),
    "coolantTemp": Sensor(name="coolant_temp", unit="°C", low=-50, high=200),
    "MAFairFlowRate": Sensor(name="air_flow", unit="", low=0, high=65_535),
}
KINDS: Final = {"R": "corrective", "S": "preventive"}


def read(path: Path, spec: FleetSpec) -> Iterator[Batch]:  # noqa: ARG001 - the layout fixes what the spec could say
    """Devices, repairs, then telemetry in chunks."""
    telemetry, services = _files(path)
    orders = read_file(services, required=("vehicle_id", "dt", "action_type"))
    spans = _spans(telemetry)
    first = pd.concat([spans["min"], utc(orders["dt"], services).groupby(orders["vehicle_id"]).min()])
    installed = first.groupby(level=0).min().dt.floor("D")
    until = pd.Timestamp(spans["max"].max()).ceil("D")
    yield Batch("devices", _devices(installed), telemetry.name, 1, until)
    yield Batch("repairs", _repairs(orders, services), services.name, 1, until)
    for chunk in read_chunks(telemetry, required=("vehicle_id", "timestamp", *COLUMNS)):
        times = utc(chunk["timestamp"], telemetry)
        readings = chunk[list(COLUMNS)].rename(columns={name: sensor.name for name, sensor in COLUMNS.items()})
        frame = readings.assign(device_id=_ids(chunk["vehicle_id"], telemetry), event_time=times, available_at=times)
        yield Batch("telemetry", frame, telemetry.name, int(chunk.index[0]) + 1, until)


def draft(path: Path, _begun: FleetSpec = NEW, /) -> FleetSpec:
    """Fleet spec of the set: six readings, one component, failures told by corrective repairs."""
    _files(path)
    return FleetSpec(
        name="navarchos",
        horizons=("7d", "14d", "30d"),
        failures_from="repairs",
        sensors=tuple(COLUMNS.values()),
        components=(Component(name=COMPONENT),),
        features=FeatureSettings(windows=("24h", "168h"), stale_after="336h"),
    )


def _files(path: Path) -> tuple[Path, Path]:
    found = path / "telemetry.parquet", path / "services.csv"
    missing = [file.name for file in found if not file.is_file()]
    if missing:
        raise InputError(f"{path} has no {missing[0]}.", "Name the folder with telemetry.parquet and services.csv.")
    return found


def _spans(telemetry: Path) -> pd.DataFrame:
    """First and last reading of each vehicle."""
    columns = ("vehicle_id", "timestamp")
    parts = [
        utc(chunk["timestamp"], telemetry).groupby(chunk["vehicle_id"]).agg(["min", "max"])
        for chunk in read_chunks(telemetry, required=columns, columns=columns)
    ]
    return pd.concat(parts).groupby(level=0).agg({"min": "min", "max": "max"})


def _ids(vehicles: pd.Series, path: Path) -> pd.Series:
    return whole_numbers(vehicles, path).astype("str")


def _devices(installed: pd.Series) -> pd.DataFrame:
    times = installed.astype(TIME_DTYPE).reset_index(drop=True)
    ids = pd.Series(installed.index.astype("int64").astype("str"))
    return pd.DataFrame({"device_id": ids, "device_model": "vehicle", "installed_at": times, "available_at": times})


def _repairs(orders: pd.DataFrame, services: Path) -> pd.DataFrame:
    times = utc(orders["dt"], services)
    ids = _ids(orders["vehicle_id"], services)
    day = ids + "-" + times.dt.strftime("%Y%m%d") + "-" + orders["action_type"]
    repeat = day.groupby(day).cumcount().astype("str")
    return pd.DataFrame(
        {
            "work_order_id": day + "-" + repeat,
            "device_id": ids,
            "opened_at": times,
            "closed_at": times,
            "kind": orders["action_type"].map(KINDS).fillna(orders["action_type"]),
            "component": COMPONENT,
            "outcome": "unknown",
            "available_at": times,
        }
    )


SOURCE: Final = Source("navarchos", "OBD-II telemetry and services of 34 vehicles", read, draft)
