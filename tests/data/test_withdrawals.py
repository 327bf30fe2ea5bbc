"""Facts that are taken back: nobody believes them from then on, before it stays, and old files change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import Batch, ImportReport, check_records
from aftercast.data.store import Store
from aftercast.features.history import load_history
from aftercast.features.windows.arrays import SLOW, make_cells
from aftercast.operations.clocks import NEVER, timestamp_us

Make = Callable[..., Any]
KNOWN = "2024-02-10T00:00:00Z"
WHEN = pd.Timestamp(KNOWN)
KEYS: dict[str, dict[str, str]] = {
    "devices": {"device_id": "d1"},
    "failures": {"device_id": "d1", "event_time": "2024-02-01T00:00:00Z", "component": "pump"},
    "telemetry": {"device_id": "d1", "event_time": "2024-02-01T03:00:00Z"},
    "repairs": {"work_order_id": "W1"},
    "stock": {"sku": "S1", "outlet_id": "O1"},
    "capacity": {"outlet_id": "O1", "date": "2024-02-01"},
}
REST: dict[str, dict[str, Any]] = {
    "devices": {"device_model": "m", "installed_at": "2024-01-01T00:00:00Z", "available_at": "2024-01-01T00:00:00Z"},
    "failures": {"available_at": "2024-02-01T00:00:00Z"},
    "telemetry": {"available_at": "2024-02-01T03:00:00Z", "volt": 1.0},
    "repairs": {
        "device_id": "d1",
        "opened_at": "2024-02-01T00:00:00Z",
        "kind": "corrective",
        "available_at": "2024-02-01T00:00:00Z",
    },
    "stock": {"on_hand": 1, "unit_cost": 1, "lead_time_days": 1, "available_at": "2024-02-01T00:00:00Z"},
    "capacity": {"technician_hours": 1, "available_at": "2024-02-01T00:00:00Z"},
}


@pytest.fixture
def filled(store: Store, load: Callable[..., ImportReport], batch: Make) -> Store:
    report = load(*(batch(name, KEYS[name] | REST[name]) for name in KEYS))
    assert {name: table.kept for name, table in report.tables.items()} == dict.fromkeys(KEYS, 1)
    return store


@pytest.mark.parametrize("name", KEYS)
def test_a_fact_that_was_taken_back_is_believed_before_and_not_after(
    name: str, filled: Store, load: Callable[..., ImportReport], batch: Make
) -> None:
    back = KEYS[name] | {"withdrawn": "true", "withdrawal_reason": "typed wrongly", "available_at": KNOWN}
    report = load(batch(name, back))
    assert (report.table(name).withdrawn, report.table(name).quarantined) == (1, {})
    assert len(filled.read(name)) == 0
    assert len(filled.read(name, known_at=WHEN)) == 0
    assert len(filled.read(name, known_at=WHEN - pd.Timedelta("1us"))) == 1
    assert len(filled.read(name, version=1)) == 1
    told = filled.withdrawals()
    assert told["reason"].tolist() == ["typed wrongly"]
    assert filled.read(name, withdrawn=True)["withdrawn_at"].tolist() == [WHEN]


@pytest.mark.parametrize("name", KEYS)
def test_the_old_file_brings_nothing_back_and_a_later_statement_does(
    name: str, filled: Store, load: Callable[..., ImportReport], batch: Make
) -> None:
    back = batch(name, KEYS[name] | {"withdrawn": True, "available_at": KNOWN})
    load(back)
    version = filled.version()
    again = load(batch(name, KEYS[name] | REST[name]), back)
    assert (again.table(name).kept, again.table(name).duplicate, again.table(name).withdrawn) == (0, 2, 0)
    assert filled.version() == version
    load(batch(name, KEYS[name] | REST[name] | {"available_at": "2024-03-01T00:00:00Z"}))
    assert len(filled.read(name)) == 1
    assert len(filled.read(name, known_at=WHEN)) == 0


def test_what_was_never_said_or_has_no_whole_key_is_set_aside(
    filled: Store, load: Callable[..., ImportReport], batch: Make
) -> None:
    wrong: list[dict[str, Any]] = [{"device_id": "d1", "event_time": None}]
    wrong.append({"device_id": "d1", "event_time": "2024-02-01T04:00:00Z"})
    report = load(batch("telemetry", *({**row, "withdrawn": True} for row in wrong)))
    assert report.table("telemetry").quarantined == {"missing_value": 1, "nothing_to_withdraw": 1}
    assert len(filled.read("telemetry")) == 1


def test_a_row_without_a_time_is_taken_back_from_its_import_on(
    filled: Store, load: Callable[..., ImportReport], batch: Make
) -> None:
    before = pd.Timestamp.now("UTC")
    load(
        batch(
            "failures",
            KEYS["failures"] | {"withdrawn": "yes"},
        )
    )
    assert len(filled.read("failures", known_at=before)) == 1
    assert len(filled.read("failures")) == 0


def test_records_that_take_back_are_no_breach_on_arrival(spec: FleetSpec) -> None:
    checked = check_records("failures", [KEYS["failures"] | {"withdrawn": True}], spec, {"device_id": {"d1"}})
    assert (checked.refused, checked.strange) == ((), ())


def test_histories_show_a_reading_until_it_was_taken_back(
    filled: Store, load: Callable[..., ImportReport], batch: Make, spec: FleetSpec
) -> None:
    for name in ("telemetry", "failures", "repairs"):
        load(batch(name, KEYS[name] | {"withdrawn": True, "available_at": KNOWN}))
    history = load_history(filled, spec)
    for table in (history.telemetry, history.failures, history.repairs):
        assert table.visible.until.tolist() == [timestamp_us(WHEN)]
    earlier = history.known_at(WHEN - pd.Timedelta("1h"))
    assert earlier.telemetry.visible.until.tolist() == [NEVER]
    cells = make_cells(history.telemetry.visible, np.array([1.0]), in_place=True)
    assert cells.mode.tolist() == [SLOW]


def test_a_batch_of_other_rows_beside_is_stored_as_ever(
    filled: Store, load: Callable[..., ImportReport], batch: Make
) -> None:
    both = [
        KEYS["telemetry"] | {"withdrawn": "true", "available_at": KNOWN},
        KEYS["telemetry"]
        | {"event_time": "2024-02-01T05:00:00Z", "volt": 2.0, "withdrawn": None}
        | {"available_at": "2024-02-01T05:00:00Z"},
    ]
    found: Batch = batch("telemetry", *both)
    report = load(found)
    assert (report.table("telemetry").kept, report.table("telemetry").withdrawn) == (1, 1)
    assert filled.read("telemetry")["volt"].tolist() == [2.0]
