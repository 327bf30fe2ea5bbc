"""Ids and codes are text from sender to store: no digit is lost, nothing is guessed, near misses are pointed out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec, Sensor, TableSettings
from aftercast.data.ingest import Batch, ImportReport, check_records, ingest
from aftercast.data.ingest.sources.telemetry_shapes import long_to_wide
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

Row = dict[str, Any]
MakeBatch = Callable[..., Batch]
Load = Callable[..., ImportReport]
AT = "2024-02-01T00:00:00Z"
SPEC = FleetSpec(name="f", sensors=(Sensor(name="volt"),))


def device(name: Any = "D1", **more: Any) -> Row:
    return {"device_id": name, "device_model": "m", "installed_at": "2024-01-01T00:00:00Z"} | more


@pytest.mark.parametrize("code", [21, "21", 1234567890123456789, "06932169358293", 0])
def test_a_whole_number_is_a_code_with_every_digit(code: Any) -> None:
    row = {"device_id": 1003, "event_time": AT, "code": code}
    found = check_records("faults", [row], SPEC, {"device_id": {"1003"}})
    assert found.refused == ()
    assert found.frame[["device_id", "code"]].to_numpy().tolist() == [["1003", str(code)]]


@pytest.mark.parametrize("value", [21.0, 21.5, True, False])
@pytest.mark.parametrize(
    ("table", "column", "row"),
    [
        ("faults", "code", {"device_id": "D1", "event_time": AT}),
        ("failures", "component", {"device_id": "D1", "event_time": AT}),
        ("faults", "device_id", {"code": "E1", "event_time": AT}),
        ("devices", "device_id", device()),
        ("devices", "device_model", device()),
    ],
)
def test_a_decimal_number_or_a_flag_for_a_text_is_refused_and_named(
    table: str, column: str, row: Row, value: Any
) -> None:
    found = check_records(table, [row | {column: value}], SPEC, {"device_id": {"D1", "21", "21.0", "True", "1"}})
    assert [(each.reason, each.column, each.cell_only) for each in found.refused] == [("unparsable", column, False)]
    assert len(found.frame) == 0


@pytest.mark.parametrize("column", ["region", "firmware", "lot", "outlet_id"])
def test_of_an_optional_text_only_the_cell_is_refused(column: str) -> None:
    found = check_records("devices", [device(**{column: 3.0})], SPEC, {"device_id": {"D1"}})
    assert [(each.column, each.cell_only) for each in found.refused] == [(column, True)]
    assert found.frame[column].isna().tolist() == [True]


def test_one_column_may_hold_numbers_flags_and_text_at_once() -> None:
    parsed = parse_cells(pd.Series([1, True, "1", 1.0, None, "true"], dtype="object"), "text")
    assert parsed.unparsable.tolist() == [False, True, False, True, False, False]
    assert [None if pd.isna(text) else text for text in parsed.values] == ["1", None, "1", None, None, "true"]


@pytest.mark.parametrize("text", ["NA", "None", "NULL", "null", "-", "nan", "n/a"])
def test_a_text_may_be_a_word_that_elsewhere_stands_for_nothing(
    load: Load, store: Store, batch: MakeBatch, text: str
) -> None:
    report = load(batch("devices", device(text, region=text)))
    assert report.tables["devices"].quarantined == {}
    assert store.read("devices")[["device_id", "region"]].to_numpy().tolist() == [[text, text]]


def test_words_for_a_missing_value_are_those_that_the_fleet_spec_names(store: Store, batch: MakeBatch) -> None:
    spec = FleetSpec(name="f", tables={"repairs": TableSettings(missing=("n.a.", "?"))})
    order = {"work_order_id": "W1", "device_id": "D1", "opened_at": AT, "kind": "corrective"}
    rows = batch("repairs", order | {"component": "?", "cost": "n.a.", "outcome": "NA"})
    report = ingest(store, [batch("devices", device()), rows], spec, origin="test")
    assert report.tables["repairs"].quarantined == {}
    assert store.read("repairs")[["component", "cost", "outcome"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("known", "sent", "words"),
    [
        ("0001", "1", "did you mean '0001': leading zeros lost"),
        ("0001", "1.0", "did you mean '0001': leading zeros lost"),
        ("D-7", "d-7", "did you mean 'D-7': upper and lower case"),
        ("Ger\u00e4t-1", "Gera\u0308t-1", "invisible characters"),
        ("D 2", "D\u00a02", "invisible characters"),
        ("D3", "D3\u200b", "invisible characters"),
        ("X", "Y", "import devices first"),
    ],
)
def test_an_unknown_id_that_is_nearly_a_known_one_says_so(
    load: Load, batch: MakeBatch, known: str, sent: str, words: str
) -> None:
    failure = {"device_id": sent, "event_time": AT, "component": "pump"}
    report = load(batch("devices", device(known)), batch("failures", failure))
    assert words in report.tables["failures"].examples["unknown_device"]


def test_ids_that_differ_in_zeros_only_are_two_devices(load: Load, store: Store, batch: MakeBatch) -> None:
    load(batch("devices", device("00042"), device("42")))
    assert store.read("devices")["device_id"].tolist() == ["00042", "42"]


@pytest.mark.parametrize("name", ["repeat", "index", "level_0", "sensor", "value", "row", "0"])
def test_a_sensor_of_long_telemetry_may_have_any_name(name: str) -> None:
    long = pd.DataFrame(
        {
            "device_id": ["b", "a", "a", "a"],
            "event_time": [AT] * 4,
            "sensor": [name, name, "volt", name],
            "value": ["1", "2", "3", "4"],
        }
    )
    wide = long_to_wide(long)
    assert wide.columns.tolist()[:2] == ["device_id", "event_time"]
    assert wide["device_id"].tolist() == ["a", "a", "b"]
    assert wide[name].tolist() == ["2", "4", "1"]


def test_a_sensor_called_like_a_column_of_the_table_is_refused_with_the_remedy() -> None:
    long = pd.DataFrame({"device_id": ["a"], "event_time": [AT], "sensor": ["device_id"], "value": ["1"]})
    with pytest.raises(InputError, match="called 'device_id'") as raised:
        long_to_wide(long)
    assert "[tables.telemetry.values.sensor]" in raised.value.hint
