from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import Sensor
from aftercast.data.ingest.sources.tables import draft


@pytest.fixture
def telemetry() -> pd.DataFrame:
    """Two devices of 500 hours: heat around 40, noise around 0, hours that count up, a flag, a label."""
    hours = np.tile(np.arange(500), 2)
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "device_id": np.repeat(["d1", "d2"], 500),
            "event_time": pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h"),
            "heat": 40 + random.normal(size=1000),
            "offset": random.normal(size=1000),
            "run_hours": np.concatenate([np.arange(500), 9000 + np.arange(500)]) * 1.0,
            "constant": 7.0,
            "mode": "eco",
        }
    )


def drafted(folder: Path, telemetry: pd.DataFrame) -> dict[str, Sensor]:
    (folder / "devices.csv").write_text("device_id,device_model,installed_at\nd1,m,2024-01-01T00:00:00Z\n")
    telemetry.to_csv(folder / "telemetry.csv", index=False)
    return {sensor.name: sensor for sensor in draft(folder).sensors}


def test_numeric_columns_become_sensors_and_text_does_not(tmp_path: Path, telemetry: pd.DataFrame) -> None:
    assert set(drafted(tmp_path, telemetry)) == {"heat", "offset", "run_hours", "constant"}


def test_ranges_hold_everything_seen_with_room_to_spare(tmp_path: Path, telemetry: pd.DataFrame) -> None:
    sensors = drafted(tmp_path, telemetry)
    for name in ("heat", "offset", "constant"):
        low, high = sensors[name].low, sensors[name].high
        assert low is not None
        assert high is not None
        assert low < telemetry[name].min()
        assert high > telemetry[name].max() + 2 * np.ptp(telemetry[name])


def test_a_reading_that_was_never_negative_may_not_become_so(tmp_path: Path, telemetry: pd.DataFrame) -> None:
    sensors = drafted(tmp_path, telemetry)
    assert sensors["heat"].low == 0
    assert (sensors["offset"].low or 0) < 0


@pytest.mark.parametrize("sentinel", [-9999.0, 65535.0, -32768.0, 4294967295.0])
def test_what_stands_for_no_reading_does_not_widen_the_range(
    tmp_path: Path, telemetry: pd.DataFrame, sentinel: float
) -> None:
    lying = pd.concat([telemetry] * 5, ignore_index=True)
    lying.loc[:2, "heat"] = sentinel
    found = drafted(tmp_path, lying)["heat"]
    assert (found.low, (found.high or 0) < 1000) == (0.0, True)


@pytest.mark.parametrize("worst", [4.2e6, -700.5, 35984.0])
def test_no_drafted_range_excludes_a_reading_it_was_drafted_from(
    tmp_path: Path, telemetry: pd.DataFrame, worst: float
) -> None:
    ill = pd.concat([telemetry] * 5, ignore_index=True)
    ill.loc[:2, "heat"] = worst
    found = drafted(tmp_path, ill)["heat"]
    assert (found.low or 0.0) <= min(worst, 30)
    assert (found.high or np.inf) >= worst


@pytest.mark.parametrize("last", [[8, 16, 24, 32], [1], []])
def test_a_rare_count_has_no_upper_end(tmp_path: Path, telemetry: pd.DataFrame, last: list[int]) -> None:
    counts = np.zeros(len(telemetry))
    counts[len(counts) - len(last) :] = last
    assert drafted(tmp_path, telemetry.assign(reallocated=counts))["reallocated"].high is None


def test_what_counts_up_within_each_device_is_cumulative_without_an_upper_end(
    tmp_path: Path, telemetry: pd.DataFrame
) -> None:
    sensors = drafted(tmp_path, telemetry)
    assert [name for name, sensor in sensors.items() if sensor.cumulative] == ["run_hours"]
    assert sensors["run_hours"].high is None


def test_a_few_broken_cells_do_not_hide_a_sensor(tmp_path: Path, telemetry: pd.DataFrame) -> None:
    broken = telemetry.assign(heat=telemetry["heat"].astype("object"))
    broken.loc[:20, "heat"] = "ERR"
    assert drafted(tmp_path, broken)["heat"].high == pytest.approx(drafted(tmp_path, telemetry)["heat"].high, rel=0.2)


def test_a_sensor_with_hardly_a_reading_gets_no_range(tmp_path: Path, telemetry: pd.DataFrame) -> None:
    rare = telemetry.assign(heat=telemetry["heat"].where(telemetry.index < 5))
    assert drafted(tmp_path, rare)["heat"] == Sensor(name="heat")


def test_long_telemetry_drafts_the_same_sensors(tmp_path: Path, telemetry: pd.DataFrame) -> None:
    numeric = telemetry.drop(columns="mode")
    wide = drafted(tmp_path, numeric)
    long = numeric.melt(["device_id", "event_time"], var_name="sensor", value_name="value")
    assert drafted(tmp_path, long) == wide


def test_other_names_for_the_clock_columns_do_not_stop_a_draft(tmp_path: Path, telemetry: pd.DataFrame) -> None:
    renamed = telemetry.rename(columns={"device_id": "machine", "event_time": "ts"})
    assert "heat" in drafted(tmp_path, renamed)
