from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.ingest import Batch
from aftercast.data.ingest.sources.azure_pdm import draft, read
from aftercast.operations.errors import InputError

HEADER = "datetime,machineID,volt,rotate,pressure,vibration\n"
ROW = ",176.2,418.5,113.1,45.1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "PdM_machines.csv").write_text('"machineID","model","age"\n1,"model3",18\n2,"model4",0\n')
    (tmp_path / "PdM_errors.csv").write_text("datetime,machineID,errorID\n2015-01-03 07:00:00,1,error1\n")
    (tmp_path / "PdM_failures.csv").write_text("datetime,machineID,failure\n2015-01-05 06:00:00,1,comp4\n")
    (tmp_path / "PdM_maint.csv").write_text(
        "datetime,machineID,comp\n"
        "2014-06-01 06:00:00,1,comp2\n2015-01-05 06:00:00,1,comp4\n2015-01-05 06:00:00,2,comp4\n"
    )
    (tmp_path / "PdM_telemetry_daily.csv").write_text(f"{HEADER}2015-01-04 23:00:00,1{ROW}2015-01-05 23:00:00,2{ROW}")
    return tmp_path


def by_table(folder: Path) -> dict[str, Batch]:
    return {batch.table: batch for batch in read(folder, draft(folder if folder.is_dir() else folder.parent))}


def test_age_in_years_before_2015_is_when_a_machine_was_installed(folder: Path) -> None:
    devices = by_table(folder)["devices"].frame
    assert devices["device_id"].tolist() == ["1", "2"]
    assert devices["installed_at"].dt.date.astype("str").tolist() == ["1996-12-31", "2015-01-01"]
    assert (devices["available_at"] == devices["installed_at"]).all()


def test_maintenance_at_the_time_of_its_failure_is_corrective_and_any_other_preventive(folder: Path) -> None:
    repairs = by_table(folder)["repairs"].frame
    assert repairs["kind"].tolist() == ["preventive", "corrective", "preventive"]
    assert repairs["outcome"].tolist() == ["replaced"] * 3
    assert (repairs["closed_at"] == repairs["opened_at"]).all()


def test_work_orders_are_named_after_machine_instant_and_component(folder: Path) -> None:
    names = by_table(folder)["repairs"].frame["work_order_id"].tolist()
    assert names == ["m1-2014-06-01T06-comp2", "m1-2015-01-05T06-comp4", "m2-2015-01-05T06-comp4"]


def test_every_record_is_available_when_it_happened_in_utc(folder: Path) -> None:
    tables = by_table(folder)
    for table in ("faults", "failures", "telemetry"):
        frame = tables[table].frame
        assert (frame["available_at"] == frame["event_time"]).all()
    assert tables["failures"].frame["event_time"].tolist() == [pd.Timestamp("2015-01-05 06:00", tz="UTC")]


def test_daily_telemetry_observes_until_midnight_and_every_table_says_so(folder: Path) -> None:
    assert {batch.covers_until for batch in by_table(folder).values()} == {pd.Timestamp("2015-01-06", tz="UTC")}


def test_hourly_telemetry_observes_until_its_last_hour_is_over(folder: Path) -> None:
    (folder / "PdM_telemetry.csv").write_text(f"{HEADER}2016-01-01 06:00:00,1{ROW}")
    assert by_table(folder)["telemetry"].covers_until == pd.Timestamp("2016-01-01 07:00", tz="UTC")


def test_the_publishers_hourly_file_is_preferred_to_daily_means(folder: Path) -> None:
    (folder / "PdM_telemetry.csv").write_text(f"{HEADER}2015-01-05 22:00:00,1{ROW}")
    assert by_table(folder)["telemetry"].origin == "PdM_telemetry.csv"


def test_a_telemetry_file_named_directly_is_read_with_its_siblings(folder: Path) -> None:
    (folder / "PdM_telemetry.csv").write_text(f"{HEADER}2015-01-05 22:00:00,1{ROW}")
    tables = by_table(folder / "PdM_telemetry_daily.csv")
    assert tables["telemetry"].origin == "PdM_telemetry_daily.csv"
    assert len(tables["devices"].frame) == 2


def test_a_missing_file_of_the_set_is_named(folder: Path) -> None:
    (folder / "PdM_maint.csv").unlink()
    with pytest.raises(InputError, match=r"has no PdM_maint\.csv"):
        by_table(folder)


def test_a_machine_without_a_number_is_refused_with_file_and_column(folder: Path) -> None:
    (folder / "PdM_errors.csv").write_text("datetime,machineID,errorID\n2015-01-03 07:00:00,M1,error1\n")
    with pytest.raises(InputError, match=r"PdM_errors\.csv: 1 of 1 rows have no readable 'machineID', first 'M1'"):
        by_table(folder)


def test_the_draft_lists_what_the_set_holds(folder: Path) -> None:
    spec = draft(folder)
    assert spec.sensor_names == ("volt", "rotate", "pressure", "vibration")
    assert spec.component_names == ("comp4",)
    assert all(component.repairable for component in spec.components)
    assert spec.horizons == ("24h", "48h", "7d", "14d", "30d")
