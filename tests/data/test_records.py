"""Records of a call: what the table does not use is found, wherever it stands."""

from __future__ import annotations

from typing import Any

import pandas as pd

from aftercast.data.fleet import Component, FleetSpec, Sensor
from aftercast.data.ingest import check_records, impossible_readings, typed_columns, without_conflicts
from aftercast.data.store import Store

SPEC = FleetSpec(name="test", components=(Component(name="pump"),), sensors=(Sensor(name="current_a", unit="A"),))
KNOWN = {"device_id": {"D1"}}
AT = "2024-06-01T00:00:00Z"


def test_every_field_the_table_does_not_use_is_found_and_the_rest_is_taken() -> None:
    rows = [
        {"device_id": "D1", "event_time": AT, "current_a": 1.0},
        {"device_id": "D1", "event_time": "2024-06-01T01:00:00Z", "current_a": 2.0, "curent": 3.0, "x": None},
    ]
    found = check_records("telemetry", rows, SPEC, KNOWN)
    assert found.strange == ((1, "curent"), (1, "x"))
    assert found.frame["current_a"].tolist() == [1.0, 2.0]
    assert found.refused == ()


def test_readings_of_the_future_are_refused_only_where_it_is_said_what_time_it_is() -> None:
    row = {"device_id": "D1", "event_time": AT, "current_a": 1.0}
    before = pd.Timestamp(AT) - pd.Timedelta(hours=1)
    assert check_records("telemetry", [row], SPEC, KNOWN).refused == ()
    found = check_records("telemetry", [row], SPEC, KNOWN, now=before)
    assert [(each.reason, each.cell_only) for each in found.refused] == [("available_in_future", False)]
    early = check_records("telemetry", [{**row, "available_at": before.isoformat()}], SPEC, KNOWN, now=before)
    assert [each.reason for each in early.refused] == ["event_after_availability"]


def test_of_two_records_of_one_call_that_differ_the_one_with_more_cells_stands(store: Store) -> None:
    spec = SPEC.model_copy(update={"sensors": (Sensor(name="current_a"), Sensor(name="heat"))})
    poor = {"device_id": "D1", "event_time": AT, "current_a": 1.0}
    rich = {"device_id": "D1", "event_time": AT, "current_a": 2.0, "heat": 3.0}
    for rows in ([poor, rich], [rich, poor]):
        settled = without_conflicts(store, check_records("telemetry", rows, spec, KNOWN))
        assert settled.frame["current_a"].tolist() == [2.0]
        assert [(each.row, each.reason) for each in settled.refused] == [(rows.index(poor), "conflicting_duplicate")]
        assert settled.row.tolist() == [rows.index(rich)]
        free = without_conflicts(store, check_records("telemetry", rows, spec, KNOWN), undated={"D1"})
        assert len(free.frame) == 2


def test_a_record_that_contradicts_a_stored_one_is_refused(
    store: Store, load: Any, batch: Any, device: Any, reading: Any
) -> None:
    load(batch("devices", device("D1")), batch("telemetry", reading(0, "D1", volt=1.0)))
    spec = FleetSpec(name="test", sensors=(Sensor(name="volt"),))
    rows = [reading(0, "D1", volt=2.0), reading(1, "D1", volt=2.0)]
    settled = without_conflicts(store, check_records("telemetry", rows, spec, KNOWN))
    assert settled.row.tolist() == [1]
    assert [(each.row, each.reason) for each in settled.refused] == [(0, "conflicting_duplicate")]


def test_columns_of_records_are_typed_as_the_store_has_them() -> None:
    found = typed_columns("faults", ["device_id", "event_time"], [{"device_id": 7, "event_time": AT}, {}])
    assert found["device_id"].tolist()[0] == "7"
    assert found["event_time"].tolist()[0] == pd.Timestamp(AT)
    assert found.isna().all(axis=1).tolist() == [False, True]


def test_impossible_readings_of_the_quarantine_say_when_they_were_known(
    store: Store, load: Any, batch: Any, device: Any, reading: Any
) -> None:
    undated = {name: value for name, value in reading(1, volt=999.0).items() if name != "available_at"}
    load(
        batch("devices", device("d1")),
        batch("telemetry", reading(0, known="2024-02-02T00:00:00Z", volt=-1.0), reading(3, volt=5.0)),
        batch("telemetry", undated),
    )
    found = impossible_readings(store.quarantine()).sort_values("event_time")
    assert found["device_id"].tolist() == ["d1", "d1"]
    assert found["sensor"].tolist() == ["volt", "volt"]
    assert found["available_at"].iloc[0] == pd.Timestamp("2024-02-02", tz="UTC")
    assert pd.isna(found["available_at"].iloc[1])
