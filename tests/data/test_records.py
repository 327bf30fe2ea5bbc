"""Records of a call: what the table does not use is found, wherever it stands."""

from __future__ import annotations

import pandas as pd

from aftercast.data.fleet import Component, FleetSpec, Sensor
from aftercast.data.ingest import check_records

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
