"""Which sensors do not report: by windows and not by the last reading ever, and by name and not by its beginning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FeatureSettings, FleetSpec, Sensor
from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.registry.versions import load_champion
from aftercast.models.scoring.fleet import judge
from aftercast.models.scoring.silence import sensor_columns, silent_sensors
from aftercast.models.scoring.snapshot import take_snapshot
from aftercast.models.words.answers import answer

NOW = pd.Timestamp("2025-06-01", tz="UTC")
DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
SPEC = FleetSpec(
    name="two", sensors=(Sensor(name="temp"), Sensor(name="temp_out"), Sensor(name="hours", cumulative=True))
)
ALL = {"temp", "temp_out", "hours"}


@pytest.fixture
def silent(tmp_path: Any) -> Any:
    """Sensors that are silent at NOW of a device with readings so many hours before, installed so many days before."""

    def found(readings: list[dict[str, float]], *, age_days: float = 400, spec: FleetSpec = SPEC) -> set[str]:
        workspace = create_workspace(tmp_path / f"w{len(list(tmp_path.iterdir()))}", spec)
        begun = NOW - age_days * DAY
        device = pd.DataFrame({"device_id": ["D"], "device_model": "M", "installed_at": begun, "available_at": begun})
        batches = [Batch("devices", device, "devices.csv")]
        if readings:
            rows = pd.DataFrame(readings)
            when = NOW - pd.to_timedelta(rows.pop("before"), unit="h")
            rows = rows.assign(device_id="D", event_time=when, available_at=when)
            batches.append(Batch("telemetry", rows, "telemetry.csv"))
        ingest(workspace.store, batches, spec, origin="test")
        features = take_snapshot(workspace.store, spec, "failure", NOW).features
        return {name for name, rows in silent_sensors(features, spec).items() if rows[0]}

    return found


def reading(before: float, **values: float) -> dict[str, float]:
    return {"before": before, "temp": 20.0 + before / 10, "temp_out": 5.0, "hours": 1000 - before, **values}


def test_a_device_silent_for_months_has_every_sensor_missing_although_its_last_readings_are_known(silent: Any) -> None:
    assert silent([reading(24 * 90 + hour) for hour in range(5)]) == ALL


def test_a_device_that_reports_has_none_missing_and_one_that_never_did_has_all(silent: Any) -> None:
    assert silent([reading(hour) for hour in range(5)]) == set()
    assert silent([]) == ALL


@pytest.mark.parametrize(("hours", "expected"), [(72, set()), (73, ALL)])
def test_telemetry_is_missing_as_soon_as_it_no_longer_counts_as_evidence(
    silent: Any, hours: int, expected: set[str]
) -> None:
    assert silent([reading(hours + more) for more in range(5)]) == expected


def test_one_sensor_that_stopped_is_missing_while_the_others_report(silent: Any) -> None:
    old = [reading(24 * 60 + hour) for hour in range(5)]
    assert silent([*old, *(reading(hour, temp=np.nan) for hour in range(5))]) == {"temp"}


def test_a_sensor_whose_name_begins_another_ones_is_told_apart_from_it(silent: Any) -> None:
    assert silent([reading(hour, temp=np.nan) for hour in range(5)]) == {"temp"}
    assert silent([reading(hour, temp_out=np.nan) for hour in range(5)]) == {"temp_out"}


def test_a_first_reading_is_too_few_for_an_increase_and_still_no_silence(silent: Any) -> None:
    assert silent([reading(1)], age_days=2) == set()


def test_rows_without_telemetry_columns_have_no_sensors_to_miss() -> None:
    assert silent_sensors(pd.DataFrame({"tenure_days": [1.0]}), SPEC) == {}
    assert silent_sensors(pd.DataFrame({"telemetry_age_hours": [1e6]}), FleetSpec(name="none")) == {}


def test_every_column_of_a_sensor_is_its_own_and_no_other_ones() -> None:
    columns = sensor_columns(SPEC)
    assert set(columns) == ALL
    every = [name for names in columns.values() for name in names]
    assert len(every) == len(set(every))
    assert {"temp_out_mean_24h", "temp_out_deviation_24h", "temp_out_cohort_24h"} <= set(columns["temp_out"])
    assert {"hours_last", "hours_increase_168h", "hours_pace_24h"} == set(columns["hours"]) - {
        "hours_increase_24h",
        "hours_increase_72h",
    }


def test_columns_follow_the_windows_of_the_fleet() -> None:
    spec = SPEC.model_copy(update={"features": FeatureSettings(windows=("6h", "48h"))})
    assert "temp_mean_6h" in sensor_columns(spec)["temp"]
    assert "temp_mean_24h" not in sensor_columns(spec)["temp"]


def test_a_device_that_fell_silent_long_ago_is_told_to_be_reconnected_and_not_to_wait(own_fleet: Workspace) -> None:
    until = own_fleet.store.observed_until()
    assert until is not None
    names, ages = [f"SILENT{n}" for n in range(5)], pd.to_timedelta(np.arange(60 * 24, 61 * 24), unit="h")
    begun = until - 100 * DAY
    devices = pd.DataFrame({"device_id": names, "device_model": "M", "installed_at": begun, "available_at": begun})
    told = pd.DataFrame({sensor.name: 1.0 for sensor in own_fleet.fleet.sensors}, index=until - ages)
    readings = pd.concat(
        [told.assign(device_id=name, event_time=told.index, available_at=told.index) for name in names]
    )
    batches = [Batch("devices", devices, "d.csv"), Batch("telemetry", readings.reset_index(drop=True), "t.csv")]
    report = ingest(own_fleet.store, batches, own_fleet.fleet, origin="test")
    assert report.tables["telemetry"].kept == len(readings)
    loaded = load_champion(own_fleet, "failure")
    snapshot = take_snapshot(own_fleet.store, own_fleet.fleet, "failure", until)
    scores = judge(loaded, snapshot, own_fleet.fleet, ids=names)
    answers = [answer(score, "7d") for score in scores]
    assert {said.missing for said in answers} == {own_fleet.fleet.sensor_names}
    low = [said.next_step.code for said in answers if said.next_step and "No visit" in said.next_step.text]
    assert set(low) == {"reconnect"}
