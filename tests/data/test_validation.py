from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.contract import Kind
from aftercast.data.fleet import FleetSpec, Sensor, TableSettings
from aftercast.data.ingest import Batch
from aftercast.data.ingest.validation.checks import CHECKS
from aftercast.data.ingest.validation.parsing import parse_cells
from aftercast.data.ingest.validation.validate import Checked, validate
from aftercast.operations.errors import InputError

Row = dict[str, Any]
KNOWN = {"device_id": {"d1"}, "customer_id": {"c1"}}
MOMENT = "2024-02-01T00:00:00Z"
LATER = "2024-02-02T00:00:00Z"
NOW = pd.Timestamp("2024-06-01T00:00:00Z")
AHEAD = {"event_time": MOMENT, "available_at": "2024-06-01T00:05:01Z"}
SPEC = FleetSpec(name="test", sensors=(Sensor(name="volt", unit="V", low=0, high=300), Sensor(name="heat")))


def check(
    table: str, *rows: Row, spec: FleetSpec = SPEC, first_row: int = 1, now: pd.Timestamp | None = NOW
) -> Checked:
    batch = Batch(table, pd.DataFrame(list(rows)), origin="file.csv", first_row=first_row)
    return validate(batch, spec, KNOWN, {}, now)


def reading(**more: Any) -> Row:
    return {"device_id": "d1", "event_time": MOMENT, "available_at": MOMENT, "volt": 1.0, "heat": 2.0} | more


def repair(**more: Any) -> Row:
    row = {"work_order_id": "w1", "device_id": "d1", "opened_at": MOMENT, "kind": "corrective", "available_at": LATER}
    return row | more


def purchase(**more: Any) -> Row:
    return {"customer_id": "c1", "event_time": MOMENT, "amount": "3.5", "available_at": MOMENT} | more


def stock(**more: Any) -> Row:
    row = {"sku": "s", "outlet_id": "o", "on_hand": 1.0, "unit_cost": 2.0, "lead_time_days": 3.0}
    return row | {"available_at": MOMENT} | more


def contact(**more: Any) -> Row:
    row = {"contact_id": "k1", "customer_id": "c1", "event_time": MOMENT, "kind": "survey", "available_at": LATER}
    return row | more


def device(**more: Any) -> Row:
    return {"device_id": "d1", "device_model": "m", "installed_at": MOMENT, "available_at": MOMENT} | more


def customer(**more: Any) -> Row:
    return {"customer_id": "c1", "since": MOMENT, "available_at": MOMENT} | more


CELLS: list[tuple[str, Row, str, str]] = [
    ("repairs", repair(cost="dear"), "unparsable", "cost"),
    ("repairs", repair(closed_at="31/12/2026"), "unparsable", "closed_at"),
    ("repairs", repair(closed_at="2024-01-31T00:00:00Z"), "end_before_start", "closed_at"),
    ("repairs", repair(technician_id="t" * 201), "unusable_id", "technician_id"),
    ("repairs", repair(outcome="fine"), "unknown_choice", "outcome"),
    ("repairs", repair(cost="inf"), "impossible_value", "cost"),
    ("repairs", repair(labour_hours=-1), "impossible_value", "labour_hours"),
    ("devices", device(warranty_until="unlimited"), "unparsable", "warranty_until"),
    ("devices", device(warranty_until="2023-01-01T00:00:00Z"), "end_before_start", "warranty_until"),
    ("devices", device(retired_at="2023-01-01T00:00:00Z"), "end_before_start", "retired_at"),
    ("customers", customer(left_at="2023-01-01T00:00:00Z"), "end_before_start", "left_at"),
    ("customers", customer(consent_contact="perhaps"), "unparsable", "consent_contact"),
    ("contacts", contact(first_response_minutes=-5), "impossible_value", "first_response_minutes"),
    ("contacts", contact(csat=999), "impossible_value", "csat"),
    ("contacts", contact(nps=77), "impossible_value", "nps"),
    ("contacts", contact(nps=-np.inf), "impossible_value", "nps"),
]


@pytest.mark.parametrize(("table", "row", "reason", "column"), CELLS)
def test_an_unusable_optional_cell_costs_the_cell_and_not_the_row(
    table: str, row: Row, reason: str, column: str
) -> None:
    checked = check(table, row)
    assert checked.frame[column].isna().all()
    assert len(checked.frame) == 1
    refused = checked.refused.iloc[0]
    assert (len(checked.refused), refused["reason"], refused["column"]) == (1, reason, column)


def test_an_infinite_attribute_costs_the_cell() -> None:
    spec = SPEC.model_copy(update={"tables": {"devices": TableSettings(attributes={"power_kw": "constant"})}})
    checked = check("devices", device(power_kw="inf"), device(power_kw="3"), spec=spec)
    assert checked.refused["reason"].tolist() == ["impossible_value"]
    assert len(checked.frame) == 2


@pytest.mark.parametrize(("value", "number"), [("True", 1.0), ("false", 0.0), (True, 1.0)])
def test_a_reading_of_true_or_false_is_one_or_zero(value: Any, number: float) -> None:
    assert check("telemetry", reading(volt=value)).frame["volt"].tolist() == [number]


REFUSED: list[tuple[str, Row, Row, str, str]] = [
    ("repairs", repair(), repair(opened_at="yesterday"), "unparsable", "opened_at"),
    ("purchases", purchase(), purchase(amount="1,5"), "unparsable", "amount"),
    ("repairs", repair(), repair(opened_at="2024-02-01T00:00:00"), "naive_time", "opened_at"),
    ("repairs", repair(), repair(opened_at="2024-02-01"), "naive_time", "opened_at"),
    ("repairs", repair(), repair(device_id=" "), "missing_value", "device_id"),
    ("repairs", repair(), repair(available_at=None), "missing_value", "available_at"),
    ("telemetry", reading(), reading(volt=None, heat=None), "missing_value", ""),
    ("telemetry", reading(), reading(event_time="1899-12-31T23:59:59Z"), "impossible_time", "event_time"),
    ("telemetry", reading(), reading(event_time="0001-01-01T00:00:00+14:00"), "impossible_time", "event_time"),
    ("telemetry", reading(), reading(available_at="9999-12-31T23:59:59-14:00"), "impossible_time", "available_at"),
    ("repairs", repair(), repair(closed_at="9999-12-31T00:00:00Z"), "impossible_time", "closed_at"),
    ("repairs", repair(), repair(work_order_id="W\x001"), "unusable_id", "work_order_id"),
    ("repairs", repair(), repair(kind="mend"), "unknown_choice", "kind"),
    ("stock", stock(), stock(on_hand=-3), "impossible_value", "on_hand"),
    ("stock", stock(), stock(lead_time_days=np.inf), "impossible_value", "lead_time_days"),
    ("purchases", purchase(), purchase(amount="1e400"), "impossible_value", "amount"),
    ("repairs", repair(), repair(opened_at="2024-02-02T00:00:01Z"), "event_after_availability", "opened_at"),
    ("repairs", repair(), repair(closed_at="2024-02-03T00:00:00Z"), "event_after_availability", "closed_at"),
    (
        "telemetry",
        reading(available_at="2024-06-01T00:05:00Z"),
        reading(**AHEAD),
        "available_in_future",
        "available_at",
    ),
    ("telemetry", reading(), reading(device_id="d2"), "unknown_device", "device_id"),
    ("purchases", purchase(), purchase(customer_id="c2"), "unknown_customer", "customer_id"),
]


def test_plans_may_be_about_the_future() -> None:
    row = {"outlet_id": "north", "date": "2024-07-01", "technician_hours": 8.0}
    assert len(check("capacity", row).frame) == 1
    device = {"device_id": "d1", "device_model": "m", "installed_at": "2024-07-01T00:00:00Z"}
    assert len(check("devices", device).frame) == 1


@pytest.mark.parametrize(("table", "good", "bad", "reason", "column"), REFUSED)
def test_a_bad_row_is_refused_with_its_reason_and_the_good_row_goes_on(
    table: str, good: Row, bad: Row, reason: str, column: str
) -> None:
    checked = check(table, good, bad, first_row=7)
    assert len(checked.frame) == 1
    refused = checked.refused.iloc[0]
    assert (len(checked.refused), refused["reason"], refused["row_number"]) == (1, reason, 8)
    assert ("" if pd.isna(refused["column"]) else refused["column"]) == column
    assert column in refused["detail"]


def test_every_check_is_shown_by_a_refused_row() -> None:
    shown = {reason for *_, reason, _ in REFUSED} | {reason for *_, reason, _ in CELLS}
    assert {check.__name__ for check in CHECKS} <= shown


@pytest.mark.parametrize("value", [-0.001, 300.001, np.inf, -np.inf])
def test_an_impossible_cell_is_taken_out_and_its_row_stays(value: float) -> None:
    checked = check("telemetry", reading(volt=value))
    assert checked.frame["volt"].isna().tolist() == [True]
    assert checked.frame["heat"].tolist() == [2.0]
    refused = checked.refused.iloc[0]
    assert (refused["reason"], refused["column"]) == ("impossible_value", "volt")
    assert all(word in refused["record"] for word in ("d1", MOMENT, f'"{value}"'))
    assert "heat" not in refused["record"]


@pytest.mark.parametrize("value", [0, 300])
def test_the_ends_of_the_range_are_possible(value: float) -> None:
    assert len(check("telemetry", reading(volt=value)).refused) == 0


def test_infinity_is_impossible_without_any_limit() -> None:
    assert check("telemetry", reading(heat=np.inf)).refused["column"].tolist() == ["heat"]


def test_a_row_whose_every_sensor_is_impossible_is_gone() -> None:
    checked = check("telemetry", reading(), reading(volt=-1, heat=np.inf))
    assert len(checked.frame) == 1
    assert checked.refused["column"].tolist() == ["volt", "heat"]


def test_an_unreadable_sensor_cell_leaves_the_rest_of_its_row() -> None:
    checked = check("telemetry", reading(volt="n/a?"))
    assert checked.frame["heat"].tolist() == [2.0]
    assert checked.refused["reason"].tolist() == ["unparsable"]


def test_an_end_that_stands_for_never_is_taken_out_and_its_row_stays() -> None:
    device = {"device_id": "d1", "device_model": "m", "installed_at": MOMENT, "retired_at": "9999-12-31T00:00:00Z"}
    checked = check("devices", device, device | {"retired_at": None})
    assert len(checked.frame) == 2
    assert checked.frame["retired_at"].isna().all()
    assert checked.frame["available_at"].max() == pd.Timestamp(MOMENT)
    assert checked.refused[["reason", "column"]].to_numpy().tolist() == [["impossible_time", "retired_at"]]


def test_the_times_that_facts_may_have_include_the_first_and_not_the_last() -> None:
    first, end = "1900-01-01T00:00:00Z", "2200-01-01T00:00:00Z"
    kept = [reading(event_time=first, available_at=first), reading(available_at="2199-12-31T23:59:59.999999Z")]
    checked = check("telemetry", *kept, reading(available_at=end), now=None)
    assert len(checked.frame) == 2
    assert checked.refused["reason"].tolist() == ["impossible_time"]


@pytest.mark.parametrize("delay", ["0h", "2h"])
def test_available_at_is_filled_by_the_rule_beside_a_time_out_of_reach(delay: str) -> None:
    spec = FleetSpec(name="test", sensors=SPEC.sensors, available_after=delay)
    rows = [{name: value for name, value in reading().items() if name != "available_at"} for _ in range(2)]
    checked = check("telemetry", rows[0], rows[1] | {"event_time": "9999-12-31T23:59:59Z"}, spec=spec)
    assert checked.frame["available_at"].tolist() == [pd.Timestamp(MOMENT) + pd.Timedelta(delay)]
    assert checked.refused["reason"].tolist() == ["impossible_time"]


def test_a_row_is_refused_for_its_first_reason_only() -> None:
    checked = check("repairs", repair(opened_at="yesterday", kind="mend", device_id="d9"), repair())
    assert checked.refused["reason"].tolist() == ["unparsable"]


def test_an_optional_number_that_cannot_be_read_takes_only_its_cell() -> None:
    checked = check("repairs", repair(cost="dear"), repair())
    assert checked.refused["reason"].tolist() == ["unparsable"]
    assert len(checked.frame) == 2
    assert checked.frame["cost"].isna().tolist()[0]


def test_an_optional_device_need_not_be_known() -> None:
    assert len(check("purchases", purchase(device_id="d9")).frame) == 1


def test_a_missing_column_is_named_with_file_rows_and_the_nearest() -> None:
    row = reading() | {"eventtime": MOMENT}
    del row["event_time"]
    with pytest.raises(
        InputError, match=r"file.csv: table 'telemetry' needs the column 'event_time'.* 1 rows"
    ) as raised:
        check("telemetry", row)
    assert 'event_time = "eventtime"' in raised.value.hint


@pytest.mark.parametrize("times", [["2024-02-01T00:00:00"], pd.to_datetime(["2024-02-01"])])
def test_a_column_of_times_without_zone_is_refused_with_field_rows_and_example(times: Any) -> None:
    frame = pd.DataFrame([reading()]).assign(event_time=times)
    with pytest.raises(InputError, match=r"'event_time' has no time zone in 1 rows.*2024-02-01") as raised:
        validate(Batch("telemetry", frame, "file.csv"), SPEC, KNOWN, {})
    assert "zone" in raised.value.hint


def test_a_column_of_bare_numbers_is_no_time() -> None:
    with pytest.raises(InputError, match="'event_time' has a bare number in 1 rows"):
        check("telemetry", reading(event_time=1_700_000_000))


def test_a_table_of_no_rows_must_still_have_its_columns() -> None:
    with pytest.raises(InputError, match=r"needs the column 'event_time', which its 0 rows lack"):
        validate(Batch("telemetry", pd.DataFrame({"device_id": []}), "file.csv"), SPEC, KNOWN, {})


def test_an_unknown_table_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="no table 'telemetri'") as raised:
        check("telemetri", reading())
    assert "telemetry" in raised.value.hint


def test_telemetry_without_any_sensor_is_refused() -> None:
    row = reading(current=3)
    del row["volt"], row["heat"]
    with pytest.raises(InputError, match="no sensor in its 1 rows; wanted volt, heat, found current"):
        check("telemetry", row)


def test_a_column_twice_is_refused() -> None:
    frame = pd.DataFrame([["d1", "d1"]], columns=["device_id", "device_id"])
    with pytest.raises(InputError, match="'device_id' twice"):
        validate(Batch("devices", frame, "file.csv"), SPEC, KNOWN, {})


def test_a_table_without_an_instant_is_known_from_its_import() -> None:
    row = {"sku": "s", "outlet_id": "o", "on_hand": 1, "unit_cost": 2, "lead_time_days": 3}
    assert check("stock", row).frame["available_at"].tolist() == [NOW]
    with pytest.raises(InputError, match="'stock' needs the column 'available_at'"):
        check("stock", row, now=None)


def test_available_at_is_filled_with_the_delay_of_the_fleet() -> None:
    row = reading()
    del row["available_at"]
    spec = SPEC.model_copy(update={"available_after": "2h"})
    assert check("telemetry", row, spec=spec).frame["available_at"].tolist() == [pd.Timestamp("2024-02-01T02:00Z")]


def test_without_named_sensors_every_numeric_column_is_one() -> None:
    checked = check("telemetry", reading(heat="3", note="warm"), spec=FleetSpec(name="open"))
    assert checked.frame["heat"].tolist() == [3.0]
    assert "note" not in checked.frame
    assert "note" in checked.notices[0]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-02-01T08:00:00+08:00", "2024-02-01T00:00Z"),
        ("2024-02-01 00:00:00 UTC", "2024-02-01T00:00Z"),
        ("2024-02-01T00:00:00.000001Z", "2024-02-01T00:00:00.000001Z"),
        ("2024-01-31T19:00:00-0500", "2024-02-01T00:00Z"),
    ],
)
def test_times_with_their_zone_become_utc(text: str, utc: str) -> None:
    parsed = parse_cells(pd.Series([text]), "time")
    assert parsed.values.tolist() == [pd.Timestamp(utc)]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2], "text", ["1", "2"]),
        ([1.0, 2.5], "text", ["1", "2.5"]),
        ([" a ", "NaN", "", "0"], "text", ["a", "NaN", None, "0"]),
        (["0", "-", "1e3"], "float", [0.0, None, 1000.0]),
        (["yes", "0", None, "TRUE"], "bool", [True, False, None, True]),
        (["3", "4"], "int", [3, 4]),
        (["2024-02-01"], "date", [pd.Timestamp("2024-02-01")]),
    ],
)
def test_cells_are_read_as_written(values: list[Any], kind: Kind, expected: list[Any]) -> None:
    parsed = parse_cells(pd.Series(values), kind)
    assert not parsed.unparsable.any()
    assert [None if pd.isna(value) else value for value in parsed.values] == expected


@pytest.mark.parametrize(("value", "kind"), [("maybe", "bool"), ("3.5", "int"), ("1. Feb", "date"), ("x", "float")])
def test_cells_that_cannot_be_read_are_marked(value: str, kind: Kind) -> None:
    assert parse_cells(pd.Series([value]), kind).unparsable.tolist() == [True]


@pytest.mark.parametrize("ending", ["\x85", "\u2028", "\u2029", "\x1c", "\r", "\n", "\x0b"])
def test_a_record_with_a_character_that_ends_lines_is_quarantined_whole(ending: str) -> None:
    """Found by fuzzing the service: some characters end a line for Python and not for JSON."""
    text = f"before{ending}after"
    rows = pd.DataFrame({"device_id": [text, "D"], "event_time": [None, None], "code": [text, text]})
    checked = validate(Batch("faults", rows, "f.csv"), SPEC, {"device_id": {"D", text}}, {})
    assert [json.loads(record)["code"] for record in checked.refused["record"]] == [text, text]


def test_a_column_that_is_named_by_the_contract_is_never_suggested_for_another() -> None:
    with pytest.raises(InputError, match="'devices' needs the column 'device_model'") as raised:
        check("devices", {"device_id": "d1", "installed_at": MOMENT})
    assert "device_id" not in raised.value.hint
    assert "[tables.devices.columns]" in raised.value.hint


def test_one_column_is_suggested_for_one_missing_column_only() -> None:
    with pytest.raises(InputError, match="'device_id', 'device_model'") as raised:
        check("devices", {"device": "d1", "installed_at": MOMENT})
    assert raised.value.hint.count('"device"') == 1


@pytest.mark.parametrize("text", ["03/04/2026", "45658"])
def test_a_date_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    detail = check("repairs", repair(), repair(opened_at=text)).refused["detail"].iloc[0]
    assert f"'{text}' cannot be read" in detail
    assert "2026-04-03T00:00:00+08:00" in detail


def test_a_time_without_a_zone_says_how_to_write_it() -> None:
    detail = check("repairs", repair(), repair(opened_at="2026-04-03T00:00:00")).refused["detail"].iloc[0]
    assert "has no time zone" in detail
    assert "2026-04-03T00:00:00+08:00" in detail


def test_a_calendar_day_that_cannot_be_read_says_how_to_write_it() -> None:
    row = {"outlet_id": "o", "date": "1. Feb", "technician_hours": "8"}
    detail = check("capacity", row, row | {"date": "2024-02-01"}).refused["detail"].iloc[0]
    assert detail.endswith("write it as 2026-04-03")


def test_a_column_of_lists_or_records_is_no_attribute_and_told(load: Any, batch: Any, device: Any) -> None:
    rows = [device("d1", tags=["a", "b"], place={"x": 1}, lot="L1"), device("d2", tags=None, place=None, lot="L2")]
    report = load(batch("devices", *rows))
    assert report.table("devices").kept == 2
    assert any("tags" in notice and "place" in notice for notice in report.notices)


def test_a_column_of_the_contract_that_holds_lists_is_refused_by_name(load: Any, batch: Any, device: Any) -> None:
    with pytest.raises(InputError, match="'device_id' of table 'devices' holds lists"):
        load(batch("devices", device("d1") | {"device_id": ["d1"]}))
