from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.ingest import ingest
from aftercast.data.ingest.sources.navarchos import COLUMNS, draft, read
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

SERVICES = (
    ",vehicle_id,dt,action_type,desc\n"
    "11,2,2023-02-01 17:34:41,R,EGR valve repair\n"
    "12,2,2023-02-01 17:34:41,R,Fuel injector replacement\n"
    "23,4,2023-03-16 17:34:41,S,Standard service\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stamps = ["2023-02-03 00:12:05", "2023-02-03 00:12:15", "2023-03-20 10:00:00"]
    table = {"vehicle_id": [2, 2, 7], "timestamp": stamps} | {name: [80.0, 81.0, 82.0] for name in COLUMNS}
    pd.DataFrame(table).to_parquet(tmp_path / "telemetry.parquet")
    (tmp_path / "services.csv").write_text(SERVICES)
    return tmp_path


def rows(folder: Path, table: str) -> pd.DataFrame:
    return pd.concat([batch.frame for batch in read(folder, draft(folder)) if batch.table == table], ignore_index=True)


def test_a_vehicle_is_there_from_the_day_it_is_first_heard_of(folder: Path) -> None:
    devices = rows(folder, "devices").set_index("device_id")["installed_at"]
    assert devices.dt.strftime("%m-%d %H").to_dict() == {"2": "02-01 00", "4": "03-16 00", "7": "03-20 00"}


def test_a_repair_is_corrective_and_a_service_preventive(folder: Path) -> None:
    repairs = rows(folder, "repairs")
    assert repairs["kind"].tolist() == ["corrective", "corrective", "preventive"]
    assert set(repairs["outcome"]) == {"unknown"}
    assert (repairs["available_at"] == pd.to_datetime(repairs["closed_at"])).all()


def test_two_repairs_of_one_day_are_two_work_orders(folder: Path) -> None:
    assert rows(folder, "repairs")["work_order_id"].tolist() == ["2-20230201-R-0", "2-20230201-R-1", "4-20230316-S-0"]


def test_an_unknown_kind_of_action_is_left_for_the_ingest_to_quarantine(folder: Path, store: Store) -> None:
    (folder / "services.csv").write_text(SERVICES.replace(",S,", ",X,"))
    spec = draft(folder)
    report = ingest(store, read(folder, spec), spec, origin="t")
    assert report.tables["repairs"].quarantined == {"unknown_choice": 1}


def test_failures_are_told_by_repairs_and_readings_have_plain_names(folder: Path) -> None:
    spec = draft(folder)
    assert spec.failures_from == "repairs"
    assert spec.sensor_names == ("rpm", "speed", "intake_pressure", "intake_temp", "coolant_temp", "air_flow")
    assert set(spec.sensor_names) <= set(rows(folder, "telemetry").columns)


def test_observation_ends_with_the_last_day_of_telemetry(folder: Path) -> None:
    assert {batch.covers_until for batch in read(folder, draft(folder))} == {pd.Timestamp("2023-03-21", tz="UTC")}


@pytest.mark.parametrize("name", ["telemetry.parquet", "services.csv"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"has no {name}"):
        draft(folder)


def test_a_missing_reading_is_named(folder: Path) -> None:
    frame = pd.read_parquet(folder / "telemetry.parquet").rename(columns={"rpm": "RPM"})
    frame.to_parquet(folder / "telemetry.parquet")
    with pytest.raises(InputError, match=r"telemetry\.parquet has no column 'rpm'"):
        rows(folder, "telemetry")
