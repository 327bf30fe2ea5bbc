from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.fleet import Component, FleetSpec, Sensor, TableSettings
from aftercast.data.ingest import ingest
from aftercast.data.ingest.sources.parts import find_parts
from aftercast.data.ingest.sources.tables import draft, read
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

SPEC = FleetSpec(name="test", sensors=(Sensor(name="volt", low=0, high=300), Sensor(name="heat")))
DEVICES = "device_id,device_model,installed_at\nd1,m,2024-01-01T00:00:00Z\nd2,m,2024-01-01T00:00:00Z\n"
WIDE = (
    "device_id,event_time,volt,heat\n"
    "d1,2024-02-01T01:00:00Z,230,20\n"
    "d1,2024-02-01T02:00:00Z,231,\n"
    "d2,2024-02-01T01:00:00Z,229,30\n"
)
LONG = (
    "device_id,event_time,sensor,value\n"
    "d1,2024-02-01T01:00:00Z,volt,230\n"
    "d1,2024-02-01T01:00:00Z,heat,20\n"
    "d1,2024-02-01T02:00:00Z,volt,231\n"
    "d2,2024-02-01T01:00:00Z,volt,229\n"
    "d2,2024-02-01T01:00:00Z,heat,30\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "export"
    place.mkdir()
    (place / "devices.csv").write_text(DEVICES)
    return place


def stored_telemetry(store: Store, folder: Path, spec: FleetSpec = SPEC) -> pd.DataFrame:
    ingest(store, read(folder, spec), spec, origin="test")
    return store.read("telemetry")[["device_id", "event_time", "available_at", "volt", "heat"]]


def test_long_telemetry_is_stored_as_the_wide_one(
    folder: Path, store: Store, make_store: Callable[[str], Store]
) -> None:
    (folder / "telemetry.csv").write_text(WIDE)
    wide = stored_telemetry(store, folder)
    (folder / "telemetry.csv").write_text(LONG)
    pd.testing.assert_frame_equal(stored_telemetry(make_store("long"), folder), wide)
    assert wide["heat"].isna().tolist() == [False, True, False]


def test_a_long_instant_split_over_two_files_is_one_instant(folder: Path, store: Store) -> None:
    lines = LONG.splitlines(keepends=True)
    (folder / "telemetry").mkdir()
    (folder / "telemetry" / "part-1.csv").write_text("".join(lines[:2]))
    (folder / "telemetry" / "part-2.csv").write_text("".join([lines[0], *lines[2:]]))
    report = ingest(store, read(folder, SPEC), SPEC, origin="test")
    assert report.tables["telemetry"].quarantined == {}
    first = store.read("telemetry", device_ids=["d1"], event_to=pd.Timestamp("2024-02-01T01:00Z"))
    assert (first["volt"].max(), first["heat"].max()) == (230.0, 20.0)


def test_a_long_reading_that_contradicts_an_earlier_one_is_quarantined(folder: Path, store: Store) -> None:
    (folder / "telemetry.csv").write_text(
        LONG + "d1,2024-02-01T01:00:00Z,volt,999\n" + "d2,2024-02-01T01:00:00Z,volt,200\n"
    )
    report = ingest(store, read(folder, SPEC), SPEC, origin="test")
    assert report.tables["telemetry"].quarantined == {"impossible_value": 1, "conflicting_duplicate": 1}


def test_an_unreadable_cell_is_quarantined_and_its_row_stays(folder: Path, store: Store) -> None:
    (folder / "telemetry.csv").write_text(WIDE.replace("231", "n.a!"))
    report = ingest(store, read(folder, SPEC), SPEC, origin="test")
    assert report.tables["telemetry"].quarantined == {"unparsable": 1}
    assert "telemetry.csv row 2" in report.tables["telemetry"].examples["unparsable"]


def test_times_without_a_zone_are_left_for_the_ingest_to_refuse(folder: Path, store: Store) -> None:
    (folder / "telemetry.csv").write_text(WIDE.replace("Z,", ","))
    with pytest.raises(InputError, match="'event_time' has no time zone in 3 rows"):
        ingest(store, read(folder, SPEC), SPEC, origin="test")
    assert store.version() == 0


def test_columns_are_renamed_as_the_fleet_spec_says(folder: Path, store: Store) -> None:
    (folder / "telemetry.csv").write_text(WIDE.replace("device_id", "machine").replace("event_time", "ts"))
    mapped = SPEC.model_copy(
        update={"tables": {"telemetry": TableSettings(columns={"device_id": "machine", "event_time": "ts"})}}
    )
    assert len(stored_telemetry(store, folder, mapped)) == 3


def test_a_mapped_column_that_is_not_there_is_refused_with_the_nearest_name(folder: Path) -> None:
    (folder / "telemetry.csv").write_text(WIDE)
    mapped = SPEC.model_copy(update={"tables": {"telemetry": TableSettings(columns={"event_time": "event_tim"})}})
    with pytest.raises(InputError, match=r"no column 'event_tim', which \[tables.telemetry.columns\] names") as refused:
        list(read(folder, mapped))
    assert "'event_time'" in refused.value.hint


def test_tables_come_in_the_contracts_order_and_parts_by_name(folder: Path) -> None:
    (folder / "telemetry").mkdir()
    for part in ("b", "a"):
        (folder / "telemetry" / f"{part}.csv").write_text(WIDE)
    (folder / "failures.csv").write_text("device_id,event_time,component\nd1,2024-02-02T00:00:00Z,pump\n")
    origins = [batch.origin for batch in read(folder, SPEC)]
    assert origins == ["devices.csv", "telemetry/a.csv", "telemetry/b.csv", "failures.csv"]


def test_a_folder_named_like_a_parquet_file_is_a_table_of_parts(folder: Path) -> None:
    (folder / "faults.parquet").mkdir()
    frame = pd.DataFrame({"device_id": ["d1"], "event_time": [pd.Timestamp("2024-02-02", tz="UTC")], "code": ["E1"]})
    frame.to_parquet(folder / "faults.parquet" / "part-0.parquet")
    assert list(find_parts(folder, SPEC)) == ["devices", "faults"]


def test_hidden_files_and_other_documents_are_passed_over(folder: Path) -> None:
    (folder / "README.md").write_text("about")
    (folder / ".devices.csv.swp.csv").write_text("x")
    (folder / "_SUCCESS.csv").write_text("x")
    (folder / "notes").mkdir()
    assert list(find_parts(folder, SPEC)) == ["devices"]


def test_a_file_named_like_no_table_is_refused_with_the_nearest_name(folder: Path) -> None:
    (folder / "telemetri.csv").write_text(WIDE)
    with pytest.raises(InputError, match=r"telemetri\.csv is named like no table") as refused:
        find_parts(folder, SPEC)
    assert "'telemetry'" in refused.value.hint


@pytest.mark.parametrize("name", ["telemetry.zip", "telemetry.csv.bz2", "telemetry"])
def test_a_table_in_a_format_that_is_not_read_is_refused_instead_of_passed_over(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"PK")
    with pytest.raises(InputError, match=f"{name} holds no data in a format that is read"):
        find_parts(folder, SPEC)


def test_a_single_file_is_a_table_by_its_name(folder: Path) -> None:
    (batch,) = read(folder / "devices.csv", SPEC)
    assert (batch.table, batch.origin, batch.first_row, len(batch.frame)) == ("devices", "devices.csv", 1, 2)


def test_a_draft_names_the_folder_the_components_and_the_codes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "failures.csv").write_text("device_id,event_time,component\nd1,2024-02-02T00:00:00Z,pump\n")
    (folder / "faults.csv").write_text("device_id,event_time,code\nd1,2024-02-02T00:00:00Z,17\n")
    monkeypatch.chdir(folder)
    spec = draft(Path())
    assert (spec.name, spec.component_names, spec.failures_from) == ("export", ("pump",), "failures")
    assert [code.code for code in spec.fault_codes] == ["17"]


def test_without_failures_a_draft_lets_repairs_tell_of_them(folder: Path) -> None:
    header = "work_order_id,device_id,opened_at,kind,component\n"
    (folder / "repairs.csv").write_text(header + "w1,d1,2024-02-02T00:00:00Z,corrective,belt\n")
    spec = draft(folder)
    assert (spec.failures_from, spec.component_names) == ("repairs", ("belt",))


def test_customers_without_a_leaving_date_leave_by_inactivity(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customer_id,since\nc1,2024-01-01T00:00:00Z\n")
    (tmp_path / "purchases.csv").write_text("customer_id,event_time,amount\nc1,2024-01-01T00:00:00Z,5\n")
    assert draft(tmp_path).churn.rule == "inactivity"


def test_without_devices_and_customers_nothing_can_be_drafted(tmp_path: Path) -> None:
    (tmp_path / "telemetry.csv").write_text(WIDE)
    with pytest.raises(InputError, match="neither devices nor customers"):
        draft(tmp_path)


@pytest.mark.parametrize("name", ["Devices.csv", "DEVICES.CSV"])
def test_a_table_may_be_named_in_any_case(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(DEVICES)
    assert list(find_parts(tmp_path, SPEC)) == ["devices"]
    assert list(find_parts(tmp_path / name, SPEC)) == ["devices"]


def test_a_table_in_another_case_and_an_unread_format_is_not_passed_over(folder: Path) -> None:
    (folder / "Telemetry.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"Telemetry\.zip holds no data in a format that is read"):
        find_parts(folder, SPEC)


def test_a_draft_for_a_begun_spec_follows_its_names_of_columns_and_its_filled_sections(folder: Path) -> None:
    (folder / "devices.csv").unlink()
    (folder / "telemetry.csv").write_text("machine,ts,heat\n1,2024-02-01T01:00:00Z,20\n2,2024-02-01T01:00:00Z,21\n")
    (folder / "failures.csv").write_text("device_id,event_time,part\n1,2024-02-02T00:00:00Z,belt\n")
    named = {
        "telemetry": TableSettings(columns={"device_id": "machine", "event_time": "ts"}),
        "failures": TableSettings(columns={"component": "part"}),
    }
    begun = FleetSpec(name="begun", components=(Component(name="pump"),), tables=named)
    spec = draft(folder, begun)
    assert (spec.sensor_names, spec.component_names) == (("heat",), ("pump",))
    assert draft(folder, begun.model_copy(update={"components": ()})).component_names == ("belt",)


def test_codes_are_drafted_as_they_are_stored(folder: Path, store: Store) -> None:
    moments = "d1,2024-02-02T00:00:00Z,007\nd1,2024-02-03T00:00:00Z, E1\nd1,2024-02-04T00:00:00Z,\n"
    (folder / "faults.csv").write_text("device_id,event_time,code\n" + moments)
    spec = draft(folder)
    ingest(store, read(folder, spec), spec, origin="test")
    assert {item.code for item in spec.fault_codes} == set(store.read("faults")["code"]) == {"007", "E1"}


def test_corrective_orders_without_components_stand_for_failures_of_the_component_unknown(folder: Path) -> None:
    assert draft(folder).failures_from == "failures"
    (folder / "repairs.csv").write_text(
        "work_order_id,device_id,opened_at,kind\nw1,d1,2024-02-02T00:00:00Z,corrective\n"
    )
    assert draft(folder).failures_from == "repairs"
    assert [component.name for component in draft(folder).components] == ["unknown"]


def test_a_folder_above_the_tables_is_refused_with_the_folder_to_import(tmp_path: Path) -> None:
    below = tmp_path / "tables"
    below.mkdir()
    (below / "devices.csv").write_text("device_id,device_model,installed_at\nD1,M,2025-01-01T00:00:00Z\n")
    with pytest.raises(InputError, match="is named like no table") as refused:
        list(read(tmp_path, SPEC))
    assert str(below) in refused.value.hint
