from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import ingest
from aftercast.data.ingest.sources.backblaze import draft, read
from aftercast.data.ingest.sources.days import read_days
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

Drive = tuple[str, int, float | None]
ANY = FleetSpec(name="drives")
RAW = ("smart_5_raw", "smart_9_raw", "smart_197_raw", "smart_240_raw")


def day(date: str, *drives: Drive) -> pd.DataFrame:
    """One inventory: serial number, failure flag and power-on hours of each drive."""
    return pd.DataFrame(
        {
            "date": date,
            "serial_number": [serial for serial, _, _ in drives],
            "model": "ST3000",
            "capacity_bytes": 3_000_592_982_016,
            "failure": [failed for _, failed, _ in drives],
            "smart_5_normalized": 100,
            "smart_5_raw": 0,
            "smart_9_raw": [hours for _, _, hours in drives],
            "smart_197_raw": 8,
            "smart_240_raw": None,
        }
    )


def publish(folder: Path, *days: pd.DataFrame) -> Path:
    for frame in days:
        frame.to_csv(folder / f"{frame['date'].iloc[0]}.csv", index=False)
    return folder


def rows(path: Path, table: str, spec: FleetSpec = ANY) -> pd.DataFrame:
    return pd.concat([batch.frame for batch in read(path, spec) if batch.table == table], ignore_index=True)


def versions(path: Path, serial: str) -> Iterator[tuple[str, str | None]]:
    """When something became known of a drive, and the retirement known then."""
    devices = rows(path, "devices")
    mine = devices[devices["device_id"] == serial]
    known, retired = (mine[name].dt.strftime("%m-%d") for name in ("available_at", "retired_at"))
    yield from zip(known, retired.astype("object").where(retired.notna(), None), strict=True)


def test_a_drive_was_installed_its_power_on_hours_before_it_was_first_seen(tmp_path: Path) -> None:
    publish(tmp_path, day("2013-04-10", ("A", 0, 48)), day("2013-04-11", ("A", 0, 72)))
    (installed,) = rows(tmp_path, "devices")["installed_at"]
    assert installed == pd.Timestamp("2013-04-08", tz="UTC")


@pytest.mark.parametrize("hours", [None, 254_875, -1])
def test_power_on_hours_that_are_missing_or_impossible_leave_the_drive_new_when_first_seen(
    tmp_path: Path, hours: float | None
) -> None:
    publish(tmp_path, day("2013-04-10", ("A", 0, hours), ("B", 0, 0)))
    assert rows(tmp_path, "devices")["installed_at"].tolist() == [pd.Timestamp("2013-04-10", tz="UTC")] * 2


def test_a_failure_is_stamped_at_midnight_of_its_day_and_known_then(tmp_path: Path) -> None:
    publish(tmp_path, day("2013-04-10", ("A", 0, 1)), day("2013-04-11", ("A", 1, 25)))
    (failure,) = rows(tmp_path, "failures").to_dict("records")
    moment = pd.Timestamp("2013-04-11", tz="UTC")
    assert failure == {"device_id": "A", "event_time": moment, "component": "drive", "available_at": moment}


def test_a_failed_drive_retires_that_day_and_is_not_reported_missing_later(tmp_path: Path) -> None:
    publish(
        tmp_path,
        day("2013-04-10", ("A", 0, 1), ("B", 0, 1)),
        day("2013-04-11", ("A", 1, 25), ("B", 0, 25)),
        day("2013-04-12", ("B", 0, 49)),
    )
    assert list(versions(tmp_path, "A")) == [("04-10", None), ("04-11", "04-11")]
    assert list(versions(tmp_path, "B")) == [("04-10", None)]


def test_a_missing_drive_retires_on_the_next_inventory_and_only_then_is_it_known(tmp_path: Path) -> None:
    publish(
        tmp_path,
        day("2013-04-10", ("A", 0, 1), ("B", 0, 1)),
        day("2013-04-14", ("B", 0, 49)),
        day("2013-04-15", ("B", 0, 73)),
    )
    assert list(versions(tmp_path, "A")) == [("04-10", None), ("04-14", "04-14")]
    assert "failures" not in {batch.table for batch in read(tmp_path, ANY)}


def test_a_drive_that_comes_back_is_in_the_field_again_as_installed_before(tmp_path: Path) -> None:
    publish(
        tmp_path,
        day("2013-04-10", ("A", 0, 24), ("B", 0, 1)),
        day("2013-04-11", ("B", 0, 1)),
        day("2013-04-12", ("A", 0, 30), ("B", 0, 1)),
    )
    assert list(versions(tmp_path, "A")) == [("04-10", None), ("04-11", "04-11"), ("04-12", None)]
    assert rows(tmp_path, "devices").query("device_id == 'A'")["installed_at"].unique().size == 1


def test_days_come_in_order_whatever_the_files_are_called(tmp_path: Path) -> None:
    day("2013-04-12", ("B", 0, 1)).to_csv(tmp_path / "a.csv", index=False)
    day("2013-04-10", ("A", 0, 1), ("B", 0, 1)).to_csv(tmp_path / "b.csv.gz", index=False)
    assert list(versions(tmp_path, "A")) == [("04-10", None), ("04-12", "04-12")]
    assert rows(tmp_path, "telemetry")["event_time"].is_monotonic_increasing


def test_a_parquet_file_sorted_by_drive_reads_as_one_sorted_by_day(tmp_path: Path) -> None:
    days = [
        day("2013-04-10", ("A", 0, 1), ("B", 0, 1)),
        day("2013-04-11", ("A", 1, 25)),
        day("2013-04-12", ("B", 0, 2)),
    ]
    (tmp_path / "days").mkdir()
    publish(tmp_path / "days", *days)
    pd.concat(days).sort_values("serial_number").to_parquet(tmp_path / "drives.parquet")
    spec = draft(tmp_path / "days")
    for table in ("devices", "failures", "telemetry"):
        by_day, by_drive = rows(tmp_path / "days", table, spec), rows(tmp_path / "drives.parquet", table, spec)
        pd.testing.assert_frame_equal(by_drive, by_day, check_dtype=False)


def test_a_day_held_by_two_files_is_imported_once(tmp_path: Path, store: Store) -> None:
    days = [day("2013-04-10", ("A", 0, 1), ("B", 0, 1)), day("2013-04-11", ("A", 1, 25), ("B", 0, 2))]
    publish(tmp_path, *days)
    pd.concat(days).to_parquet(tmp_path / "both.parquet")
    spec = draft(tmp_path)
    report = ingest(store, read(tmp_path, spec), spec, origin="twice")
    telemetry, failures = report.tables["telemetry"], report.tables["failures"]
    assert (telemetry.kept, telemetry.duplicate, telemetry.quarantined) == (4, 4, {})
    assert (failures.kept, failures.duplicate) == (1, 1)
    assert report.tables["devices"].kept == 3


def test_later_days_imported_later_correct_what_is_known_and_contradict_nothing(tmp_path: Path, store: Store) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    publish(tmp_path / "first", day("2013-04-10", ("A", 0, 48)))
    publish(tmp_path / "second", day("2013-04-11", ("A", 0, 72)), day("2013-04-12", ("A", 1, 97)))
    spec = draft(tmp_path / "first")
    reports = [ingest(store, read(tmp_path / name, spec), spec, origin=name) for name in ("first", "second")]
    assert all(counts.quarantined == {} for report in reports for counts in report.tables.values())
    assert store.read("devices")["retired_at"].dropna().tolist() == [pd.Timestamp("2013-04-12", tz="UTC")]
    assert store.observed_until() == pd.Timestamp("2013-04-12", tz="UTC")


def test_importing_the_last_day_again_with_the_new_ones_notices_what_vanished_in_between(
    tmp_path: Path, store: Store
) -> None:
    shared = day("2013-04-11", ("A", 0, 72), ("B", 0, 72), ("C", 1, 71))
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    publish(first, day("2013-04-10", ("A", 0, 48), ("B", 0, 49), ("C", 0, 48)), shared)
    publish(second, shared, day("2013-04-12", ("A", 0, 96)))
    spec = draft(first)
    reports = [ingest(store, read(folder, spec), spec, origin=folder.name) for folder in (first, second)]
    retired = store.read("devices").dropna(subset="retired_at").set_index("device_id")["retired_at"]
    assert retired.dt.strftime("%m-%d").to_dict() == {"B": "04-12", "C": "04-11"}
    assert reports[1].tables["devices"].quarantined == {"conflicting_duplicate": 1}  # C: installed an hour earlier


def test_only_raw_values_the_fleet_spec_names_are_telemetry(tmp_path: Path) -> None:
    publish(tmp_path, day("2013-04-10", ("A", 0, 1)))
    clocks = {"device_id", "event_time", "available_at"}
    assert set(rows(tmp_path, "telemetry", draft(tmp_path)).columns) - clocks == set(RAW[:3])
    assert set(rows(tmp_path, "telemetry").columns) - clocks == set(RAW)


def test_a_draft_drops_what_is_always_missing_and_adds_what_the_last_file_brought(tmp_path: Path) -> None:
    later = day("2013-04-11", ("A", 0, 1)).assign(smart_187_raw=0)
    spec = draft(publish(tmp_path, day("2013-04-10", ("A", 0, 1)), later))
    assert spec.sensor_names == ("smart_5_raw", "smart_9_raw", "smart_187_raw", "smart_197_raw")
    assert [sensor.name for sensor in spec.sensors if sensor.cumulative] == ["smart_9_raw"]
    assert [rule.sensor for rule in spec.rules] == ["smart_5_raw", "smart_187_raw", "smart_197_raw"]
    assert not spec.components[0].repairable


def test_serial_numbers_of_digits_keep_their_leading_zeros(tmp_path: Path) -> None:
    publish(tmp_path, day("2013-04-10", ("007", 0, 1), ("1E5", 1, 1)))
    assert rows(tmp_path, "devices")["device_id"].tolist() == ["007", "1E5"]
    assert rows(tmp_path, "telemetry")["device_id"].tolist() == ["007", "1E5"]
    assert rows(tmp_path, "failures")["device_id"].tolist() == ["1E5"]


def test_a_row_without_a_serial_number_is_quarantined_and_the_rest_stays(tmp_path: Path, store: Store) -> None:
    publish(tmp_path, day("2013-04-10", ("A", 0, 1), ("", 0, 1)))
    spec = draft(tmp_path)
    report = ingest(store, read(tmp_path, spec), spec, origin="t")
    assert (report.tables["telemetry"].kept, report.tables["telemetry"].quarantined) == (1, {"missing_value": 1})
    assert report.tables["devices"].kept == 1


@pytest.mark.parametrize("flag", ["x", "2", ""])
def test_a_failure_flag_that_is_neither_0_nor_1_is_refused_and_never_read_as_no_failure(
    tmp_path: Path, flag: str
) -> None:
    publish(tmp_path, day("2013-04-10", ("A", 1, 1), ("B", 0, 1)).astype({"failure": "str"}).replace({"0": flag}))
    with pytest.raises(InputError, match=r"2013-04-10\.csv: 1 of 2 rows .*failure") as refused:
        rows(tmp_path, "failures")
    assert refused.value.hint


def test_a_file_without_the_failure_column_is_refused_by_name(tmp_path: Path) -> None:
    publish(tmp_path, day("2013-04-10", ("A", 0, 1)).rename(columns={"failure": "failed"}))
    with pytest.raises(InputError, match=r"no column 'failure'"):
        rows(tmp_path, "telemetry")


def test_files_are_opened_only_when_their_day_is_due(tmp_path: Path) -> None:
    publish(tmp_path, *[day(f"2013-04-{number}", ("A", 0, 1)) for number in (10, 11, 12)])
    days = read_days(sorted(tmp_path.iterdir()), "date")
    assert [piece.file.name for piece in next(days)] == ["2013-04-10.csv"]
    (tmp_path / "2013-04-12.csv").write_text("date\nlater\n")
    assert [piece.file.name for piece in next(days)] == ["2013-04-11.csv"]
    with pytest.raises(InputError, match="later"):
        next(days)
