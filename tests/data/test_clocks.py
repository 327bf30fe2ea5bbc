"""When facts without a clock of their own are known: never after their import, results when over, corrections now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec, Sensor, TableSettings
from aftercast.data.ingest import Batch, ImportReport, ingest
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

Row = dict[str, Any]
MakeBatch = Callable[..., Batch]
Load = Callable[..., ImportReport]
HOUR = pd.Timedelta(hours=1)


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def device(name: str = "D1", **more: Any) -> Row:
    return {"device_id": name, "device_model": "m", "installed_at": "2024-01-01T00:00:00Z"} | more


def customer(**more: Any) -> Row:
    return {"customer_id": "C1", "since": "2024-01-01T00:00:00Z", "segment": "home"} | more


def order(**more: Any) -> Row:
    row = {"work_order_id": "W1", "device_id": "D1", "opened_at": "2024-02-01T00:00:00Z", "kind": "corrective"}
    return row | {"component": "pump"} | more


def newest(store: Store, table: str, at: pd.Timestamp | None = None) -> Row:
    """Return the row of a table that is believed at a time, the newest by default."""
    return dict(store.read(table, known_at=at).iloc[-1])


def test_what_we_date_ourselves_never_lies_in_the_future(store: Store, batch: MakeBatch) -> None:
    spec = FleetSpec(name="late", sensors=(Sensor(name="volt"),), available_after="24h")
    now = pd.Timestamp.now("UTC")
    ages = [1, 12, 23, 25, 48]
    rows = [{"device_id": "D1", "event_time": (now - age * HOUR).isoformat(), "volt": age} for age in ages]
    report = ingest(store, [batch("devices", device()), batch("telemetry", *rows)], spec, origin="test")
    assert (report.tables["telemetry"].kept, report.tables["telemetry"].quarantined) == (5, {})
    found = store.read("telemetry")
    assert (found["available_at"] <= pd.Timestamp.now("UTC")).all()
    assert found["available_at"].min() == found["event_time"].min() + 24 * HOUR


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("faults", {"device_id": "D1", "event_time": "2200-01-01T00:00:00Z", "code": "E1"}),
        ("faults", {"device_id": "D1", "event_time": "2150-01-01T00:00:00Z", "code": "E1"}),
        ("repairs", order(closed_at="2150-01-01T00:00:00Z")),
    ],
)
def test_an_event_of_the_future_is_still_refused(load: Load, batch: MakeBatch, table: str, row: Row) -> None:
    report = load(batch("devices", device()), batch(table, row))
    assert report.tables[table].kept == 0
    assert set(report.tables[table].quarantined) <= {"available_in_future", "impossible_time"}


def test_a_plan_without_a_clock_is_known_from_its_import(load: Load, store: Store, batch: MakeBatch) -> None:
    load(batch("devices", device(installed_at="2100-01-01T00:00:00Z")))
    assert newest(store, "devices")["available_at"] <= pd.Timestamp.now("UTC")


Change = tuple[str, Row, Row, str, Any]
CHANGES: list[Change] = [
    ("devices", device(retired_at="2024-06-01T00:00:00Z"), device(retired_at=None), "retired_at", None),
    ("devices", device(firmware="1.0"), device(firmware="2.0"), "firmware", "2.0"),
    ("devices", device(firmware="1.0"), device(firmware=None), "firmware", None),
    ("devices", device(outlet_id="north"), device(outlet_id="south"), "outlet_id", "south"),
    ("customers", customer(left_at="2024-03-01T00:00:00Z"), customer(left_at=None), "left_at", None),
    ("repairs", order(cost=5.0), order(cost=7.0), "cost", 7.0),
    (
        "repairs",
        order(closed_at="2024-02-03T00:00:00Z"),
        order(closed_at=None),
        "closed_at",
        None,
    ),
    (
        "devices",
        device(retired_at="2024-06-01T00:00:00Z"),
        device(retired_at="2024-03-01T00:00:00Z"),
        "retired_at",
        at("2024-03-01"),
    ),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]} {change[3]} {change[4]}")
def test_a_row_without_a_clock_that_contradicts_is_a_correction_known_from_its_import(
    load: Load, store: Store, batch: MakeBatch, change: Change
) -> None:
    table, first, second, column = change[:4]
    value: Any = change[4]
    before = [] if table in {"devices", "customers"} else [batch("devices", device())]
    load(*before, batch(table, first))
    begun = pd.Timestamp.now("UTC")
    believed: Any = newest(store, table)[column]
    report = load(batch(table, second))
    assert (report.tables[table].kept, report.tables[table].corrected, report.tables[table].quarantined) == (1, 1, {})
    found = newest(store, table)
    assert found["available_at"] >= begun
    assert pd.isna(found[column]) if value is None else found[column] == value
    earlier: Any = newest(store, table, begun)[column]
    assert earlier == believed or (pd.isna(earlier) and pd.isna(believed))
    assert not load(batch(table, second)).published, "the same file again changes nothing"


def test_a_correction_may_be_taken_back(load: Load, store: Store, batch: MakeBatch) -> None:
    for firmware in ("1.0", "2.0", "1.0"):
        load(batch("devices", device(firmware=firmware)))
    assert newest(store, "devices")["firmware"] == "1.0"
    assert len(store.read("devices")) == 3


def test_a_column_that_an_export_leaves_out_stays_as_it_was(load: Load, store: Store, batch: MakeBatch) -> None:
    load(batch("devices", device(firmware="1.0", outlet_id="north")))
    assert not load(batch("devices", device(firmware="1.0"))).published
    load(batch("devices", device(firmware="2.0")))
    found = newest(store, "devices")
    assert (found["firmware"], found["outlet_id"]) == ("2.0", "north")


def test_a_column_that_an_export_adds_is_known_from_its_import(load: Load, store: Store, batch: MakeBatch) -> None:
    load(batch("devices", device()))
    report = load(batch("devices", device(firmware="1.0")))
    assert report.tables["devices"].quarantined == {}
    assert newest(store, "devices")["firmware"] == "1.0"
    assert pd.isna(newest(store, "devices", at("2025-01-01"))["firmware"])


def test_a_reading_without_a_clock_that_differs_corrects_the_stored_one(
    load: Load, store: Store, batch: MakeBatch
) -> None:
    row = {"device_id": "D1", "event_time": "2024-02-01T00:00:00Z", "volt": 1.0}
    load(batch("devices", device()), batch("telemetry", row))
    load(batch("telemetry", row | {"volt": 2.0}))
    load(batch("telemetry", {"device_id": "D1", "event_time": "2024-02-01T00:00:00Z", "heat": 5.0}))
    assert store.read("telemetry", known_at=at("2024-03-01"))["volt"].dropna().tolist() == [1.0]
    assert store.read("telemetry")["volt"].dropna().tolist() == [1.0, 2.0]
    assert store.read("telemetry", known_at=at("2024-03-01"))["heat"].dropna().tolist() == [5.0]


def test_a_row_with_a_clock_that_contradicts_is_still_a_conflict(load: Load, store: Store, batch: MakeBatch) -> None:
    known = {"available_at": "2024-01-01T00:00:00Z"}
    load(batch("devices", device(firmware="1.0", **known)))
    report = load(batch("devices", device(firmware="2.0", **known)))
    assert report.tables["devices"].quarantined == {"conflicting_duplicate": 1}


def test_two_rows_of_one_import_that_differ_are_a_conflict_that_names_the_remedy(
    load: Load, store: Store, batch: MakeBatch
) -> None:
    both = batch("devices", device(customer_id="C1"), device(customer_id="C2"))
    for _ in range(2):
        report = load(both)
        assert report.tables["devices"].quarantined == {"conflicting_duplicate": 1}
        assert "available_at since when" in report.tables["devices"].examples["conflicting_duplicate"]
    assert store.read("devices")["customer_id"].tolist() == ["C1"]


@pytest.mark.parametrize("retired", ["2024-05-01T00:00:00Z", "2024-06-01T00:00:00Z"])
def test_a_device_that_is_replaced_under_its_id_has_two_lives(
    load: Load, store: Store, batch: MakeBatch, retired: str
) -> None:
    lives = batch("devices", device(retired_at=retired), device(installed_at="2024-06-01T00:00:00Z"))
    report = load(lives)
    assert report.tables["devices"].quarantined == {}
    found = newest(store, "devices")
    assert [found["installed_at"], pd.isna(found["retired_at"])] == [at("2024-06-01"), True]
    assert newest(store, "devices", at("2024-04-01"))["installed_at"] == at("2024-01-01")
    assert not load(lives).published


@pytest.mark.parametrize("earlier", [True, False])
def test_a_changed_delay_is_refused_with_its_remedy(store: Store, batch: MakeBatch, earlier: bool) -> None:
    row = {"device_id": "D1", "event_time": "2024-02-01T00:00:00Z", "volt": 1.0}
    sensors = (Sensor(name="volt"),)
    day = {"telemetry": TableSettings(available_after="24h")}
    plain, late = FleetSpec(name="a", sensors=sensors), FleetSpec(name="a", sensors=sensors, tables=day)
    first, second = (late, plain) if earlier else (plain, late)
    ingest(store, [batch("devices", device()), batch("telemetry", row)], first, origin="test")
    with pytest.raises(InputError, match=r"1 stored rows were dated (24h|1d|0d) after") as raised:
        ingest(store, [batch("telemetry", row)], second, origin="test")
    assert "[tables.telemetry]" in raised.value.hint
    assert "new workspace" in raised.value.hint
    ingest(store, [batch("telemetry", row)], first, origin="test")
    dated = row | {"available_at": "2024-02-02T00:00:00Z"}
    ingest(store, [batch("telemetry", dated)], second, origin="a table with its own clock has no delay")


def test_what_a_contact_led_to_is_known_when_it_was_over(load: Load, store: Store, batch: MakeBatch) -> None:
    row = {"contact_id": "K1", "customer_id": "C1", "event_time": "2024-02-01T00:00:00Z", "kind": "complaint"}
    results = {"first_response_minutes": 30.0, "resolution_hours": 240.0, "csat": 2.0, "nps": 1.0}
    load(batch("customers", customer()), batch("contacts", row | results))
    early = newest(store, "contacts", at("2024-02-10T23:59:59"))
    assert [early[name] for name in ("kind", "channel")] == ["complaint", None] or pd.isna(early["channel"])
    assert np.isnan([early[name] for name in results]).all()
    assert newest(store, "contacts", at("2024-02-11"))["csat"] == 2.0


def test_an_order_is_open_before_it_is_closed(load: Load, store: Store, batch: MakeBatch) -> None:
    done = {"closed_at": "2024-02-10T00:00:00Z", "outcome": "replaced", "cost": 5.0, "labour_hours": 1.0}
    load(batch("devices", device()), batch("repairs", order(**done)))
    early = newest(store, "repairs", at("2024-02-05"))
    assert (early["kind"], early["component"]) == ("corrective", "pump")
    assert all(pd.isna(early[name]) for name in done)
    assert newest(store, "repairs", at("2024-02-10"))["outcome"] == "replaced"


def test_exporting_an_order_while_open_and_again_when_closed_is_the_same_as_exporting_it_once(
    load: Load, make_store: Callable[[str], Store], batch: MakeBatch
) -> None:
    closed = order(closed_at="2024-02-10T00:00:00Z", outcome="replaced")
    once, twice = make_store("once"), make_store("twice")
    for store in (once, twice):
        load(batch("devices", device()), into=store)
    load(batch("repairs", closed), into=once)
    load(batch("repairs", order(closed_at=None, outcome=None)), into=twice)
    load(batch("repairs", closed), into=twice)
    pd.testing.assert_frame_equal(once.read("repairs"), twice.read("repairs"))


def purchase(amount: float, **more: Any) -> Row:
    return {"customer_id": "C1", "event_time": "2024-02-01T00:00:00Z", "amount": amount} | more


def test_purchases_at_one_instant_are_all_counted(load: Load, store: Store, batch: MakeBatch) -> None:
    rows = batch("purchases", purchase(10), purchase(10), purchase(25))
    load(batch("customers", customer()), rows)
    assert store.read("purchases")["amount"].tolist() == [10, 10, 25]
    assert not load(rows).published
    load(batch("purchases", purchase(10), purchase(10), purchase(26)))
    assert store.read("purchases").groupby("purchase_id")["amount"].last().tolist() == [10, 10, 26]


def test_purchases_at_one_instant_are_numbered_through_a_file_and_anew_in_the_next(
    load: Load, store: Store, batch: MakeBatch
) -> None:
    parts = [batch("purchases", purchase(amount), origin=name) for name, amount in [("a", 1), ("a", 2), ("b", 1)]]
    load(batch("customers", customer()), *parts)
    assert sorted(store.read("purchases")["amount"]) == [1, 2]


def test_purchases_with_ids_are_known_by_them(load: Load, store: Store, batch: MakeBatch) -> None:
    load(
        batch("customers", customer()),
        batch("purchases", purchase(10, purchase_id="P1"), purchase(10, purchase_id="P2")),
    )
    load(batch("purchases", purchase(12, purchase_id="P1")))
    assert store.read("purchases").groupby("purchase_id")["amount"].last().to_dict() == {"P1": 12.0, "P2": 10.0}


def test_stock_without_a_clock_is_known_from_its_import(load: Load, store: Store, batch: MakeBatch) -> None:
    row = {"sku": "S", "outlet_id": "north", "on_hand": 1, "unit_cost": 2.0, "lead_time_days": 3.0}
    load(batch("stock", row))
    assert not load(batch("stock", row)).published
    assert load(batch("stock", row | {"on_hand": 0})).tables["stock"].corrected == 1
