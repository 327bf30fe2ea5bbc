"""Columns beyond the contract are features only where the fleet spec names them, and never cost a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec, TableSettings
from aftercast.data.ingest import Batch, ImportReport, ingest
from aftercast.data.ingest.validation.attributes import why_not_read
from aftercast.data.store import Store
from aftercast.features.customer_history import load_customer_history
from aftercast.features.history import load_history
from aftercast.operations.errors import InputError

Row = dict[str, Any]
MakeBatch = Callable[..., Batch]


def named(table: str = "devices", **attributes: Any) -> FleetSpec:
    return FleetSpec(name="f", tables={table: TableSettings(attributes=attributes)})


def device(name: str = "D1", **more: Any) -> Row:
    return {"device_id": name, "device_model": "m", "installed_at": "2024-01-01T00:00:00Z"} | more


@pytest.fixture
def load(store: Store) -> Callable[..., ImportReport]:
    return lambda spec, *batches: ingest(store, batches, spec, origin="test")


def test_a_column_that_nobody_names_is_no_feature_and_is_told(load: Any, store: Store, batch: MakeBatch) -> None:
    report = load(FleetSpec(name="f"), batch("devices", device(lifetime_failures=7)))
    assert "lifetime_failures" not in store.read("devices")
    assert '[tables.devices.attributes] "lifetime_failures" = "constant"' in report.notices[0]
    assert load_history(store, FleetSpec(name="f")).attributes == {}


def test_a_constant_is_true_since_ever_and_another_attribute_since_its_import(
    load: Any, store: Store, batch: MakeBatch
) -> None:
    spec = named(site="constant", lifetime_failures="from_import")
    begun = pd.Timestamp.now("UTC")
    rows = batch("devices", device(site="north", lifetime_failures=7, retired_at="2024-06-01T00:00:00Z"))
    load(spec, rows)
    early = store.read("devices", known_at=begun)
    assert early["site"].tolist() == ["north", "north"]
    assert early["lifetime_failures"].isna().all()
    last = store.read("devices").iloc[-1]
    assert (last["lifetime_failures"], last["retired_at"]) == (7.0, pd.Timestamp("2024-06-01", tz="UTC"))
    assert last["available_at"] >= begun
    assert not load(spec, rows).published
    assert load_history(store, spec).attributes == {"lifetime_failures": "number", "site": "category"}


def test_a_constant_that_is_named_later_is_added_to_what_is_stored(load: Any, store: Store, batch: MakeBatch) -> None:
    rows = batch("devices", device(site="north", retired_at="2024-06-01T00:00:00Z"), device("D2", site="south"))
    load(FleetSpec(name="f"), rows)
    spec = named(site="constant")
    report = load(spec, rows)
    assert report.tables["devices"].quarantined == {}
    known = store.read("devices", known_at=pd.Timestamp("2025-01-01", tz="UTC"))
    seen = known.assign(second=known["available_at"].dt.floor("s")).groupby(["device_id", "second"])
    assert seen["site"].last().tolist() == ["north", "north", "south"]
    assert seen["retired_at"].last().isna().tolist() == [True, False, True]
    assert not load(spec, rows).published


def test_an_attribute_can_be_left_out_again(load: Any, store: Store, batch: MakeBatch) -> None:
    load(named(device_age_days="constant"), batch("devices", device(device_age_days=3)))
    assert load_history(store, FleetSpec(name="f")).attributes == {}
    assert not load(FleetSpec(name="f"), batch("devices", device())).published


@pytest.mark.parametrize(("first", "second"), [("1", "3A"), (7, "B7"), ("2.5", "unknown!")])
def test_an_attribute_of_another_kind_costs_the_cell_and_never_the_device(
    load: Any, store: Store, batch: MakeBatch, first: Any, second: Any
) -> None:
    spec = named(slot="constant")
    load(spec, batch("devices", device(slot=first)))
    failure = {"device_id": "D2", "event_time": "2024-05-01T00:00:00Z", "component": "pump"}
    report = load(spec, batch("devices", device("D2", slot=second)), batch("failures", failure))
    assert report.tables["devices"].quarantined == {"unparsable": 1}
    assert report.tables["failures"].kept == 1
    assert store.read("devices")["slot"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["2026-10-01T00:00:00Z", "2026-10-02"], "times"),
        (["31.12.2025", "1/2/2026"], "times"),
        (pd.to_datetime(["2026-10-01"]), "times"),
        (["+49 170 1234567", "0044 20 7946 0958", "(030) 123 456"], "phone numbers"),
        (["0170-1234567", "555-123-4567"], "phone numbers"),
        (["a@b.de", "c@d.cn"], "e-mail addresses"),
        ([f"owner {k}" for k in range(100)], "another text in nearly every row"),
        ([f"{k / 7}" for k in range(100)], None),
        (["red", "blue", None], None),
        (["1", "2"], None),
        ([3_000_592_982_016, 4], None),
        (["0012", "0013"], None),
        ([True, False], None),
        ([None], None),
    ],
)
def test_what_says_who_or_when_is_no_feature(values: Any, why: str | None) -> None:
    assert why_not_read(pd.Series(values)) == why


def test_a_named_attribute_that_holds_times_is_not_read_and_told(load: Any, store: Store, batch: MakeBatch) -> None:
    spec = named(last_service_at="constant")
    report = load(spec, batch("devices", device(last_service_at="2026-10-01T00:00:00Z")))
    assert "last_service_at" not in store.read("devices")
    assert "it holds times" in report.notices[0]


def test_attributes_of_customers_are_named_as_well(load: Any, store: Store, batch: MakeBatch) -> None:
    row = {"customer_id": "C1", "since": "2024-01-01T00:00:00Z", "tier": "gold", "mood": "good"}
    spec = named("customers", tier="constant")
    load(spec, batch("customers", row))
    assert load_customer_history(store, spec).attributes == {"tier": "category"}


@pytest.mark.parametrize("earlier", [True, False])
def test_columns_that_differ_in_case_only_are_refused_with_the_remedy(
    load: Any, batch: MakeBatch, earlier: bool
) -> None:
    spec = named(Slot="constant", slot="constant")
    if earlier:
        load(spec, batch("devices", device(Slot="1")))
    rows = batch("devices", device(slot="1") if earlier else device(Slot="1", slot="2"))
    with pytest.raises(InputError, match=r"'Slot' and 'slot' .* differ in case only") as raised:
        load(spec, rows)
    assert '"Slot" = "slot"' in raised.value.hint


def test_sensors_that_differ_in_case_only_are_refused(load: Any, batch: MakeBatch) -> None:
    row = {"device_id": "D1", "event_time": "2024-05-01T00:00:00Z", "Temp": 1.0, "temp": 2.0}
    with pytest.raises(InputError, match="'Temp' and 'temp'"):
        load(FleetSpec(name="f"), batch("devices", device()), batch("telemetry", row))
