"""Units are converted where they convert, and refused by name where they do not; counters may reset and wrap."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec, Sensor, TableSettings
from aftercast.data.ingest import Batch, ImportReport, ingest
from aftercast.data.ingest.sources.tables import draft, read
from aftercast.data.ingest.validation.units import conversion
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

MakeBatch = Callable[..., Batch]
AT = "2024-02-01T0{}:00:00Z"


@pytest.mark.parametrize(
    ("given", "wanted", "reading", "converted"),
    [
        ("kWh", "Wh", 1.26, 1260.0),
        ("°F", "°C", 212.0, 100.0),
        ("degF", "degC", 32.0, 0.0),
        ("psi", "bar", 100.0, 6.894757293168362),
        ("m/s", "mm/s", 0.05, 50.0),
        ("%", "", 50.0, 0.5),
        ("min", "h", 90.0, 1.5),
        ("W", "W", 3.0, 3.0),
    ],
)
def test_a_reading_is_converted(given: str, wanted: str, reading: float, converted: float) -> None:
    factor, offset = conversion(given, wanted)
    assert reading * factor + offset == pytest.approx(converted, abs=1e-9)


@pytest.mark.parametrize(
    ("given", "wanted"), [("bar", "V"), ("flurbs", "V"), ("V", "flurbs"), ("°C", "h"), ("1+", "V")]
)
def test_what_does_not_convert_is_refused_by_name(given: str, wanted: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"'{given}' does not convert to '{wanted}'")):
        conversion(given, wanted)


def written(folder: Path, telemetry: str) -> Path:
    (folder / "devices.csv").write_text("device_id,device_model,installed_at\nD1,m,2024-01-01T00:00:00Z\n")
    (folder / "telemetry.csv").write_text(telemetry)
    return folder


LONG = "device_id,event_time,sensor,value,unit\n" + "".join(
    f"D1,{AT.format(hour)},energy,{value},{unit}\n"
    for hour, (value, unit) in enumerate([(1200, "Wh"), (1250, "Wh"), (1.26, "kWh"), ("broken", "kWh")])
)


def test_rows_in_different_units_are_one_series(store: Store, tmp_path: Path) -> None:
    spec = FleetSpec(name="f", sensors=(Sensor(name="energy", unit="Wh"),))
    report = ingest(store, read(written(tmp_path, LONG), spec), spec, origin="test")
    assert store.read("telemetry")["energy"].tolist() == pytest.approx([1200, 1250, 1260])
    assert report.tables["telemetry"].quarantined == {"unparsable": 1}


def test_a_sensor_without_a_unit_that_comes_in_two_is_refused(store: Store, tmp_path: Path) -> None:
    spec = FleetSpec(name="f", sensors=(Sensor(name="energy"),))
    with pytest.raises(InputError, match="Sensor 'energy' comes in Wh and kWh"):
        ingest(store, read(written(tmp_path, LONG), spec), spec, origin="test")


def test_a_row_in_a_unit_that_measures_something_else_is_refused_by_name(store: Store, tmp_path: Path) -> None:
    spec = FleetSpec(name="f", sensors=(Sensor(name="energy", unit="bar"),))
    with pytest.raises(InputError, match="Sensor 'energy': 'Wh' does not convert to 'bar'"):
        ingest(store, read(written(tmp_path, LONG), spec), spec, origin="test")


def test_a_file_may_have_a_sensor_in_another_unit(store: Store, tmp_path: Path) -> None:
    spec = FleetSpec(
        name="f",
        sensors=(Sensor(name="heat", unit="°C", low=0, high=100),),
        tables={"telemetry": TableSettings(units={"heat": "°F"})},
    )
    rows = written(tmp_path, f"device_id,event_time,heat\nD1,{AT.format(1)},212\nD1,{AT.format(2)},300\n")
    report = ingest(store, read(rows, spec), spec, origin="test")
    assert store.read("telemetry")["heat"].tolist() == pytest.approx([100.0])
    assert report.tables["telemetry"].quarantined == {"impossible_value": 1}


def counted(store: Store, batch: MakeBatch, values: list[float]) -> ImportReport:
    spec = FleetSpec(name="f", sensors=(Sensor(name="n", cumulative=True),))
    device = {"device_id": "D1", "device_model": "m", "installed_at": "2024-01-01T00:00:00Z"}
    rows = [{"device_id": "D1", "event_time": AT.format(k), "n": value} for k, value in enumerate(values)]
    return ingest(store, [batch("devices", device), batch("telemetry", *rows)], spec, origin="test")


@pytest.mark.parametrize("values", [[3400, -3461, 3405], [2147483647, -2147483648, 5]])
def test_a_negative_reading_of_a_counter_is_set_aside(store: Store, batch: MakeBatch, values: list[float]) -> None:
    assert counted(store, batch, values).tables["telemetry"].quarantined == {"impossible_value": 1}
    assert store.read("telemetry")["n"].tolist() == [values[0], values[2]]


def test_a_signed_channel_is_no_counter_and_keeps_its_readings(store: Store, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = -467114 + np.cumsum(rng.normal(size=300))
    times = pd.date_range("2024-01-01", periods=300, freq="h", tz="UTC")
    frame = pd.DataFrame({"device_id": "D1", "event_time": times, "power": values})
    path = written(tmp_path, frame.to_csv(index=False))
    spec = draft(path)
    report = ingest(store, read(path, spec), spec, origin="test")
    assert (report.tables["telemetry"].quarantined, len(store.read("telemetry"))) == ({}, 300)


def test_corrective_orders_without_a_component_are_failures_and_are_named(store: Store, tmp_path: Path) -> None:
    written(tmp_path, f"device_id,event_time,heat\nD1,{AT.format(1)},20\n")
    rows: Any = [("W1", "corrective", "pump"), ("W2", "corrective", ""), ("W3", "inspection", "")]
    lines = [f"{name},D1,{AT.format(k)},{kind},{part}\n" for k, (name, kind, part) in enumerate(rows)]
    (tmp_path / "repairs.csv").write_text("work_order_id,device_id,opened_at,kind,component\n" + "".join(lines))
    spec = draft(tmp_path)
    assert [component.name for component in spec.components] == ["pump", "unknown"]
    report = ingest(store, read(tmp_path, spec), spec, origin="test")
    assert any(text.startswith("1 of 2 corrective work orders name no component") for text in report.notices)
