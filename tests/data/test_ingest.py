from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import select

from aftercast.data.fleet import FleetSpec, TableSettings
from aftercast.data.ingest import Batch, ImportReport, ingest
from aftercast.data.status import describe
from aftercast.data.store import Store, StoreWriter
from aftercast.operations.database.imports import IMPORTS
from aftercast.operations.errors import InputError

Row = dict[str, Any]
MakeBatch = Callable[..., Batch]
MakeRow = Callable[..., Row]
Load = Callable[..., ImportReport]


@pytest.fixture
def devices(batch: MakeBatch, device: MakeRow) -> Batch:
    return batch("devices", device("d1"), device("d2"))


def repair(**more: Any) -> Row:
    row = {"work_order_id": "w1", "device_id": "d1", "opened_at": "2024-02-01T00:00:00Z", "kind": "corrective"}
    return row | {"available_at": "2024-02-01T00:00:00Z"} | more


def logged(store: Store) -> Any:
    """Only row of the import log."""
    with store.database.connect() as connection:
        return connection.execute(select(IMPORTS)).one()


def test_the_same_files_again_change_nothing(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    rows = batch("telemetry", reading(1, volt=1), reading(2, volt=999), reading(1, "stranger", volt=1))
    first = load(devices, rows)
    quarantined = store.quarantine()
    again = load(devices, rows)
    assert (first.version, first.published) == (1, True)
    assert (again.version, again.published) == (1, False)
    assert again.tables["telemetry"].kept == 0
    pd.testing.assert_frame_equal(store.quarantine(), quarantined)
    assert len(quarantined) == 2


def test_a_bad_record_under_another_file_name_is_quarantined_once(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    load(devices, batch("telemetry", reading(1, "stranger", volt=1)))
    load(batch("telemetry", reading(1, "stranger", volt=1), origin="copy.csv"))
    assert len(store.quarantine()) == 1


def test_late_and_out_of_order_rows_are_simply_there(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    load(devices, batch("telemetry", reading(9, volt=9)))
    load(batch("telemetry", reading(3, volt=3, known="2024-02-05T00:00:00Z"), reading(2, volt=2)))
    assert store.read("telemetry")["volt"].tolist() == [2, 3, 9]
    known = store.read("telemetry", known_at=pd.Timestamp("2024-02-02", tz="UTC"))
    assert known["volt"].tolist() == [2, 9]


def test_a_correction_stands_beside_what_it_corrects(
    load: Load, store: Store, devices: Batch, batch: MakeBatch
) -> None:
    load(devices, batch("repairs", repair()))
    closed = repair(closed_at="2024-02-03T00:00:00Z", available_at="2024-02-03T00:00:00Z", outcome="replaced")
    report = load(batch("repairs", closed))
    assert (report.tables["repairs"].kept, report.tables["repairs"].corrected) == (1, 1)
    assert store.read("repairs")["closed_at"].isna().tolist() == [True, False]


def test_the_same_content_available_later_is_kept_once_and_corrects_nothing(
    load: Load, devices: Batch, batch: MakeBatch
) -> None:
    load(devices, batch("repairs", repair()))
    later = batch("repairs", repair(available_at="2024-02-09T00:00:00Z"))
    report = load(later)
    assert (report.tables["repairs"].kept, report.tables["repairs"].corrected) == (1, 0)
    assert not load(later).published


def test_a_value_that_comes_back_after_a_correction_is_a_correction(
    load: Load, store: Store, devices: Batch, batch: MakeBatch
) -> None:
    texts = [("pump", "02"), ("motor", "03"), ("pump", "04")]
    rows = [repair(component=name, available_at=f"2024-02-{day}T00:00:00Z") for name, day in texts]
    load(devices, batch("repairs", *rows))
    assert store.read("repairs")["component"].tolist() == ["pump", "motor", "pump"]


def test_a_contradiction_keeps_the_first_and_quarantines_the_second(
    load: Load, store: Store, devices: Batch, batch: MakeBatch
) -> None:
    load(devices, batch("repairs", repair(component="pump")))
    report = load(batch("repairs", repair(component="motor"), origin="second.csv"))
    assert report.tables["repairs"].quarantined == {"conflicting_duplicate": 1}
    assert store.read("repairs")["component"].tolist() == ["pump"]
    assert store.quarantine()["origin"].tolist() == ["second.csv"]


def test_a_contradiction_within_one_file_keeps_its_first_row(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    report = load(devices, batch("telemetry", reading(1, volt=1), reading(1, volt=2), reading(1, volt=1)))
    assert store.read("telemetry")["volt"].tolist() == [1]
    assert report.tables["telemetry"].quarantined == {"conflicting_duplicate": 1}
    assert report.tables["telemetry"].duplicate == 1
    assert store.quarantine()["row_number"].tolist() == [2]


def test_pieces_of_one_telemetry_row_are_merged(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    load(devices, batch("telemetry", reading(1, volt=1)))
    report = load(batch("telemetry", reading(1, heat=2)))
    whole = load(batch("telemetry", reading(1, volt=1, heat=2)))
    clash = load(batch("telemetry", reading(1, volt=1, heat=3)))
    assert report.tables["telemetry"].kept == 1
    assert (whole.tables["telemetry"].duplicate, whole.published) == (1, False)
    assert clash.tables["telemetry"].quarantined == {"conflicting_duplicate": 1}
    frame = store.read("telemetry")
    assert frame[["volt", "heat"]].max().tolist() == [1, 2]


def test_a_corrected_cell_does_not_touch_the_others(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    load(devices, batch("telemetry", reading(1, volt=1, heat=5)))
    report = load(batch("telemetry", reading(1, volt=2, known="2024-02-02T00:00:00Z")))
    same = load(batch("telemetry", reading(1, heat=5, known="2024-02-03T00:00:00Z")))
    assert report.tables["telemetry"].corrected == 1
    assert (same.tables["telemetry"].kept, same.tables["telemetry"].corrected) == (1, 0)


def test_an_import_that_fails_half_way_is_invisible_and_logged_as_unfinished(
    load: Load, store: Store, devices: Batch, batch: MakeBatch
) -> None:
    with pytest.raises(InputError):
        load(devices, batch("telemetry", {"device_id": "d1"}))
    assert store.version() == 0
    assert logged(store).finished_at is None


def test_the_import_log_has_version_and_report(load: Load, store: Store, devices: Batch) -> None:
    report, found = load(devices), logged(store)
    assert (found.import_id, found.version, found.origin) == (report.import_id, 1, "test")
    assert found.report == report.to_dict()


def test_devices_of_the_same_import_are_known_to_what_follows(
    load: Load, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    report = load(devices, batch("telemetry", reading(1, "d2", volt=1)))
    assert report.tables["telemetry"].kept == 1


def test_observed_until_is_the_greatest_event_unless_declared(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    load(devices, batch("telemetry", reading(5, volt=1, known="2024-03-01T00:00:00Z")))
    assert store.observed_until() == pd.Timestamp("2024-02-01T05:00Z")
    declared = pd.Timestamp("2024-02-10", tz="UTC")
    report = load(batch("telemetry", reading(5, volt=1, known="2024-03-01T00:00:00Z"), covers_until=declared))
    assert report.published, "a longer observed time is news even without rows"
    assert store.observed_until() == declared
    assert store.observed_until(version=1) == pd.Timestamp("2024-02-01T05:00Z")


def test_without_available_at_events_are_known_when_they_end(
    load: Load, store: Store, devices: Batch, batch: MakeBatch
) -> None:
    row = repair(closed_at="2024-02-03T00:00:00Z")
    del row["available_at"]
    load(devices, batch("repairs", row))
    found = store.read("repairs")
    assert found["available_at"].dt.day.tolist() == [1, 3]
    assert found["closed_at"].isna().tolist() == [True, False]


def test_without_available_at_a_retirement_is_not_known_before_it(
    load: Load, store: Store, batch: MakeBatch, device: MakeRow
) -> None:
    row = device(retired_at="2024-06-01T00:00:00Z")
    del row["available_at"]
    load(batch("devices", row))
    early = store.read("devices", known_at=pd.Timestamp("2024-05-31", tz="UTC"))
    assert early["retired_at"].isna().tolist() == [True]
    assert store.read("devices")["retired_at"].isna().tolist() == [True, False]


def test_attributes_of_devices_keep_their_type(store: Store, batch: MakeBatch, device: MakeRow) -> None:
    attributes: Any = dict.fromkeys(("age", "code", "colour"), "constant")
    spec = FleetSpec(name="f", tables={"devices": TableSettings(attributes=attributes)})
    ingest(store, [batch("devices", device(age="18", code="0012", colour="red"))], spec, origin="test")
    second = batch("devices", device("d2", age="old", code="7", colour="blue"))
    report = ingest(store, [second], spec, origin="test")
    frame = store.read("devices")
    assert [None if pd.isna(age) else age for age in frame["age"]] == [18.0, None]
    assert frame["code"].tolist() == ["0012", "7"]
    assert report.tables["devices"].quarantined == {"unparsable": 1}


def test_columns_that_are_not_used_are_told(load: Load, devices: Batch, batch: MakeBatch, reading: MakeRow) -> None:
    report = load(devices, batch("telemetry", reading(1, volt=1, mood=3)))
    assert report.notices == ["Table 'telemetry' does not use 1 columns of telemetry.csv: mood."]


def test_small_and_large_portions_give_the_same(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    load(devices, *[batch("telemetry", reading(hour, volt=hour), first_row=hour) for hour in range(20)])
    assert store.tables() == {"devices": 2, "telemetry": 20}
    assert store.version() == 1


def test_status_tells_rows_times_and_refusals(
    load: Load, store: Store, devices: Batch, batch: MakeBatch, reading: MakeRow
) -> None:
    load(devices, batch("telemetry", reading(1, volt=1), reading(3, "d2", volt=2), reading(4, "d3", volt=2)))
    status = describe(store)
    tables: Mapping[str, Any] = {table.name: table for table in status.tables}
    assert (tables["telemetry"].rows, tables["telemetry"].devices) == (2, 2)
    assert tables["telemetry"].last_event == pd.Timestamp("2024-02-01T03:00Z")
    assert tables["devices"].first_event is None
    assert [(q.table, q.reason, q.count) for q in status.quarantine] == [("telemetry", "unknown_device", 1)]
    assert "telemetry.csv row 3" in status.quarantine[0].example


def test_status_of_an_empty_store_has_no_tables(store: Store) -> None:
    status = describe(store)
    assert (status.version, status.tables, status.quarantine) == (0, (), ())


class Crowded(Store):
    """A store that another import enters as soon as the first one lets go of it."""

    def __init__(self, store: Store, other: Batch, spec: FleetSpec) -> None:
        super().__init__(store.address, store.database, store.device_buckets)
        self.free, self.other, self.spec = store, other, spec

    @contextmanager
    def writing(self, import_id: str | None = None, *, publishes: bool = True) -> Iterator[StoreWriter]:
        with super().writing(import_id, publishes=publishes) as writer:
            yield writer
        ingest(self.free, [self.other], self.spec, origin="another import")


def test_a_report_tells_of_its_own_import_though_another_one_publishes_right_after(
    store: Store, spec: FleetSpec, batch: Callable[..., Batch], device: Callable[..., dict[str, Any]], load: Load
) -> None:
    load(batch("devices", device("d1")))
    crowded = Crowded(store, batch("devices", device("d2")), spec)
    report = ingest(crowded, [batch("devices", device("d1"))], spec, origin="the same again")
    assert (report.published, report.version) == (False, 1)
    assert store.version() == 2
