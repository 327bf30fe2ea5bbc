"""Source ``azure-pdm``: Microsoft's predictive maintenance data set of 100 machines (simulated, 2015).

Layout: ``PdM_machines``, ``PdM_errors``, ``PdM_failures``, ``PdM_maint`` as CSV, and telemetry as published (hourly,
``PdM_telemetry``) or as daily means stamped 23:00 of the day they cover (``PdM_telemetry_daily``), plain or gzipped.

Licence: none stated by the publisher.

Clocks: the publisher gives one, without a zone, in whole hours; it is read as UTC, and a record is available when it
happened. Observation ends one hour after the last telemetry: midnight for daily means, which are stamped 23:00.
Maintenance before 2015 is history from before observation began.

Derived: ``installed_at`` lies ``age`` years before 2015; a maintenance record at the time of a failure of the same
component is the corrective repair of it, any other is preventive. Both replace the component.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from aftercast.data.fleet import Component, FaultCode, FleetSpec, Sensor
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.sources.reading import read_chunks, read_file, utc, whole_numbers
from aftercast.data.ingest.sources.source import NEW, Source
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.operations.errors import InputError

EPOCH: Final = pd.Timestamp("2015-01-01", tz="UTC")
TELEMETRY: Final = ("PdM_telemetry", "PdM_telemetry_daily", "PdM_telemetry_hourly_machines_1_20")
SENSORS: Final = (
    Sensor(name="volt", unit="V", low=0, high=500),
    Sensor(name="rotate", unit="rpm", low=0, high=1500),
    Sensor(name="pressure", unit="bar", low=0, high=500),
    Sensor(name="vibration", unit="mm/s", low=0, high=200),
)


def read(path: Path, spec: FleetSpec) -> Iterator[Batch]:  # noqa: ARG001 - the layout fixes what the spec could say
    """Devices, faults, failures, repairs, then telemetry; ``path`` is the folder, or its telemetry file."""
    folder = _folder(path)
    telemetry = _telemetry_file(path)
    until = _observed_until(telemetry)
    yield _devices(_file(folder, "PdM_machines"), until)
    errors, failed = _file(folder, "PdM_errors"), _file(folder, "PdM_failures")
    yield Batch("faults", _events(errors, "errorID", "code"), errors.name, 1, until)
    failures = _events(failed, "failure", "component")
    yield Batch("failures", failures, failed.name, 1, until)
    yield _repairs(failures, _file(folder, "PdM_maint"), until)
    for chunk in read_chunks(telemetry, required=("datetime", "machineID", *_names()), typed=True):
        times = utc(chunk["datetime"], telemetry)
        frame = chunk[list(_names())].assign(device_id=_ids(chunk, telemetry), event_time=times, available_at=times)
        yield Batch("telemetry", frame, telemetry.name, int(chunk.index[0]) + 1, until)


def draft(path: Path, _begun: FleetSpec = NEW, /) -> FleetSpec:
    """Fleet spec of the set: four sensors, four components that are replaced, five error codes."""
    folder = _folder(path)
    _file(folder, "PdM_machines")
    _telemetry_file(path)
    failures = read_file(_file(folder, "PdM_failures"), required=("failure",))
    errors = read_file(_file(folder, "PdM_errors"), required=("errorID",))
    return FleetSpec(
        name="azure-pdm",
        horizons=("24h", "48h", "7d", "14d", "30d"),
        sensors=SENSORS,
        components=tuple(Component(name=str(name)) for name in sorted(failures["failure"].unique())),
        fault_codes=tuple(FaultCode(code=str(code)) for code in sorted(errors["errorID"].unique())),
    )


def _names() -> tuple[str, ...]:
    return tuple(sensor.name for sensor in SENSORS)


def _folder(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path} does not exist.", "Name the folder that holds the PdM_*.csv files of the set.")
    return path if path.is_dir() else path.parent


def _file(folder: Path, *stems: str) -> Path:
    for stem in stems:
        for name in (f"{stem}.csv", f"{stem}.csv.gz"):
            if (folder / name).is_file():
                return folder / name
    wanted = " or ".join(f"{stem}.csv" for stem in stems)
    raise InputError(f"{folder} has no {wanted}.", "Name the folder that holds the PdM_*.csv files of the set.")


def _telemetry_file(path: Path) -> Path:
    return path if path.is_file() else _file(path, *TELEMETRY)


def _observed_until(telemetry: Path) -> pd.Timestamp:
    """Return the end of the hour that the last stamp begins."""
    latest = max(
        utc(chunk["datetime"], telemetry).max()
        for chunk in read_chunks(telemetry, required=("datetime",), columns=("datetime",), typed=True)
    )
    return pd.Timestamp(latest).floor("h") + pd.Timedelta(hours=1)


def _ids(frame: pd.DataFrame, path: Path) -> pd.Series:
    return whole_numbers(frame["machineID"], path).astype("str")


def _devices(path: Path, until: pd.Timestamp) -> Batch:
    machines = read_file(path, required=("machineID", "model", "age"))
    age_days = whole_numbers(machines["age"], path) * 365.25
    installed = (EPOCH - pd.to_timedelta(age_days, unit="D")).astype(TIME_DTYPE)
    frame = pd.DataFrame(
        {
            "device_id": _ids(machines, path),
            "device_model": machines["model"],
            "installed_at": installed,
            "available_at": installed,
        }
    )
    return Batch("devices", frame, path.name, 1, until)


def _events(path: Path, column: str, name: str) -> pd.DataFrame:
    """Events of one of the set's files, whose column is called by another name here."""
    events = read_file(path, required=("datetime", "machineID", column))
    times = utc(events["datetime"], path)
    return pd.DataFrame(
        {"device_id": _ids(events, path), "event_time": times, name: events[column], "available_at": times}
    )


def _repairs(failures: pd.DataFrame, path: Path, until: pd.Timestamp) -> Batch:
    maint = read_file(path, required=("datetime", "machineID", "comp"))
    times = utc(maint["datetime"], path)
    ids = _ids(maint, path)
    order = _order(ids, times, maint["comp"])
    failed = _order(failures["device_id"], failures["event_time"], failures["component"])
    frame = pd.DataFrame(
        {
            "work_order_id": order,
            "device_id": ids,
            "opened_at": times,
            "closed_at": times,
            "kind": order.isin(failed).map({True: "corrective", False: "preventive"}),
            "component": maint["comp"],
            "outcome": "replaced",
            "available_at": times,
        }
    )
    return Batch("repairs", frame, path.name, 1, until)


def _order(machines: pd.Series, times: pd.Series, components: pd.Series) -> pd.Series:
    """Work order ids: machine, instant and component, so that a second import makes the same ones."""
    return "m" + machines + "-" + times.dt.strftime("%Y-%m-%dT%H") + "-" + components.astype("str")


SOURCE: Final = Source("azure-pdm", "Microsoft's 100 machines with telemetry, errors and failures", read, draft)
