from __future__ import annotations

import datetime as dt
import random
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import ingest
from aftercast.data.ingest.proposal import Proposal, flat_answers, propose, require_answers
from aftercast.data.ingest.proposal.contents import Content
from aftercast.data.ingest.proposal.names import COLUMN_NAMES, TABLE_NAMES, likeness
from aftercast.data.ingest.proposal.words import map_word
from aftercast.data.ingest.sources.tables import read
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

Rows = list[list[str]]
ZONE = {"zone": "Europe/Berlin"}


def questions(proposal: Proposal) -> dict[str, tuple[str, ...]]:
    return {question.name: question.choices for question in proposal.questions}


def chinese_workbook(path: Path, devices: int = 12, days: int = 60) -> Path:
    """Workbook as an after-sales office keeps it: a sheet per table, a title above one header, units in headers."""
    chance = random.Random(1)
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "设备台账"
    sheet.append(["设备台账导出", None, None])
    sheet.append(["设备编号", "型号", "安装日期"])
    orders, readings = book.create_sheet("维修工单"), book.create_sheet("运行数据")
    orders.append(["工单号", "设备编号", "报修时间", "完成时间", "维修类型", "故障部件", "维修费用"])
    readings.append(["设备编号", "采集时间", "温度(℃)", "压力[bar]"])
    begin = dt.datetime(2024, 1, 1, 8)  # noqa: DTZ001 - a workbook has no zones
    for number in range(devices):
        name = f"{number:04d}"
        sheet.append([name, "WM-1", dt.datetime(2023, 1, 1)])  # noqa: DTZ001 - as above
        for day in range(days):
            readings.append([name, begin + dt.timedelta(days=day), 40 + chance.random(), 2.5])
        for order in range(3):
            opened = begin + dt.timedelta(days=10 * order + number)
            kind = "保养" if order == 1 else "故障维修"
            orders.append([f"WO{number}{order}", name, opened, opened + dt.timedelta(hours=5), kind, "压缩机", 99.5])
    book.create_sheet("说明").append(["本表由系统导出"])
    book.save(path)
    return path


def test_a_chinese_workbook_needs_no_answer_but_its_zone(tmp_path: Path, store: Store) -> None:
    chinese_workbook(tmp_path / "设备.xlsx")
    assert list(questions(propose(tmp_path, {}))) == ["zone"]
    proposal = propose(tmp_path, {"zone": "Asia/Shanghai"})
    spec = require_answers(proposal, tmp_path)
    assert {name: own.sheet for name, own in spec.tables.items()} == {
        "devices": "设备台账", "telemetry": "运行数据", "repairs": "维修工单",
    }  # fmt: skip
    assert [(sensor.name, sensor.unit) for sensor in spec.sensors] == [("温度", "℃"), ("压力", "bar")]
    assert spec.tables["repairs"].values == {"kind": {"故障维修": "corrective", "保养": "preventive"}}
    assert (spec.component_names, spec.failures_from) == (("压缩机",), "repairs")
    assert spec.features.windows == ("72h", "168h", "720h")
    report = ingest(store, read(tmp_path, spec), spec, origin="workbook")
    assert {name: (table.kept, table.quarantined) for name, table in report.tables.items()} == {
        "devices": (12, {}), "telemetry": (720, {}), "repairs": (72, {}),
    }  # fmt: skip
    assert store.read("devices")["installed_at"][0] == pd.Timestamp("2022-12-31T16:00Z")


@pytest.mark.real_data
def test_work_orders_alone_are_read_with_answers_to_what_nobody_can_know(real_data: Path, store: Store) -> None:
    place = real_data / "excavator_mwo"
    asked = questions(propose(place, {}))
    kinds = [f"repairs.kind.PM{number}" for number in ("01", "02", "04", "05", "06", "13")]
    assert sorted(asked) == sorted(["zone", "repairs.component", *kinds])
    answers = dict.fromkeys(kinds, "preventive") | {kinds[0]: "corrective", "zone": "Australia/Perth"}
    spec = require_answers(propose(place, answers | {"repairs.component": "MajorSystem"}), place)
    report = ingest(store, read(place, spec), spec, origin="orders")
    assert {name: table.kept for name, table in report.tables.items()} == {"devices": 5, "repairs": 5485}
    assert store.read("devices")["installed_at"].isna().all()
    again = ingest(store, read(place, spec), spec, origin="orders")
    assert (again.published, again.tables["repairs"].duplicate) == (False, 5485)


def as_text(rows: Rows) -> str:
    return "".join(",".join(row) + "\n" for row in rows)


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def readings(header: str, rows: int = 40, step_hours: int = 1, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    begin = pd.Timestamp("2024-01-05T00:30")
    lines = [
        f"M{n % 2},{(begin + pd.Timedelta(hours=step_hours * (n // 2))).strftime(form)},{40 + n / 7:.2f},{n % 2}"
        for n in range(rows)
    ]
    return "\n".join([header, *lines]) + "\n"


def test_flags_of_failures_are_no_sensors_and_units_come_from_headers(tmp_path: Path) -> None:
    write(tmp_path, "log.csv", readings("machineID,ts,oil temp [°C],comp1_failure"))
    proposal = propose(tmp_path, {})
    assert proposal.questions == ()
    assert [(sensor.name, sensor.unit) for sensor in proposal.fleet.sensors] == [("oil temp", "°C")]
    assert proposal.fleet.tables["devices"].derived_from == ("telemetry",)
    assert any("comp1_failure" in sentence for sentence in proposal.assumed)


def test_day_and_month_are_asked_about_only_where_no_day_tells(tmp_path: Path) -> None:
    write(tmp_path, "log.csv", readings("machine,time,temp,load", rows=8, form="%d/%m/%Y %H:%M"))
    asked = questions(propose(tmp_path, ZONE))
    assert asked == {"telemetry.time_format": ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")}
    spec = propose(tmp_path, ZONE | {"telemetry.time_format": "%d/%m/%Y %H:%M"}).fleet
    assert spec.tables["telemetry"].time_format == "%d/%m/%Y %H:%M"
    write(tmp_path, "log.csv", readings("machine,time,temp,load", rows=400, step_hours=24, form="%d/%m/%Y %H:%M"))
    assert propose(tmp_path, ZONE).fleet.tables["telemetry"].time_format == "%d/%m/%Y %H:%M"


def test_epoch_numbers_are_times_only_once_somebody_says_so(tmp_path: Path) -> None:
    write(tmp_path, "log.csv", readings("machine,ts,temp,load", form="%s"))
    assert questions(propose(tmp_path, {})) == {"telemetry.time_format": ("epoch_s",)}


def test_telemetry_stamped_at_midnight_is_asked_about(tmp_path: Path) -> None:
    write(tmp_path, "log.csv", readings("machine,day,temp,load", step_hours=24, form="%Y-%m-%d"))
    assert questions(propose(tmp_path, ZONE)) == {"telemetry.available_after": ("24h", "0h")}
    spec = propose(tmp_path, ZONE | {"telemetry.available_after": "24h"}).fleet
    assert (spec.tables["telemetry"].available_after, spec.features.windows) == ("24h", ("72h", "168h", "720h"))


def test_a_row_for_each_reading_is_seen_by_its_repeats(tmp_path: Path) -> None:
    rows = [["machine", "time", "what", "how_much"]] + [
        [f"M{n % 3}", f"2024-01-01T{n // 3:02d}:00:00Z", tag, f"{n}.5"] for n in range(60) for tag in ("001", "002")
    ]
    write(tmp_path, "log.csv", as_text(rows))
    spec = propose(tmp_path, {}).fleet
    assert spec.tables["telemetry"].columns["sensor"] == "what"
    assert spec.tables["telemetry"].columns["value"] == "how_much"
    assert spec.sensor_names == ("001", "002")


def test_purchases_alone_name_the_customers(tmp_path: Path, store: Store) -> None:
    write(tmp_path, "sales.csv", "client id,order date,total\n7,2024-01-01T09:00:00Z,3.5\n7,2024-02-01T09:00:00Z,4\n")
    spec = require_answers(propose(tmp_path, {}), tmp_path)
    ingest(store, read(tmp_path, spec), spec, origin="sales")
    assert store.read("customers")[["customer_id", "since"]].to_numpy().tolist() == [
        ["7", pd.Timestamp("2024-01-01T09:00Z")]
    ]
    assert spec.churn.rule == "inactivity"


def test_words_among_numbers_stand_for_missing_values_and_words_among_words_do_not(tmp_path: Path) -> None:
    text = readings("machine,ts,temp,load").replace(",40.00,", ",n.a.,")
    write(tmp_path, "telemetry.csv", text)
    write(tmp_path, "devices.csv", "machine,model,region\nM0,x,NA\nM1,x,EU\n")
    tables = propose(tmp_path, {}).fleet.tables
    assert tables["telemetry"].missing == ("n.a.",)
    assert tables["devices"].missing == ()


def test_files_of_one_header_are_parts_of_a_table(tmp_path: Path) -> None:
    for year in (2023, 2024):
        write(tmp_path, f"log_{year}.csv", readings("machine,ts,temp,load"))
    assert propose(tmp_path, {}).fleet.tables["telemetry"].file == "log_202*.csv"


def test_all_that_is_open_in_all_files_is_said_at_once_with_the_lines_to_write(tmp_path: Path) -> None:
    write(tmp_path, "work orders.csv", "asset,start,order type\nA,2004-07-01,ZX1\nB,2004-07-02,ZX2\n")
    write(tmp_path, "equipment.csv", "asset,model,commissioned\nA,m,01/02/2003\nB,m,03/04/2003\n")
    with pytest.raises(InputError, match="leaves 4 questions open") as refused:
        require_answers(propose(tmp_path, {}), tmp_path)
    for name in ("zone", "devices.time_format", "repairs.kind.ZX1", "repairs.kind.ZX2"):
        assert f'"{name}" = ' in refused.value.hint


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"zone": "Mars"}, "'Mars' is no zone"),
        ({"zone": "UTC", "repairs.kind.ZX1": "mending"}, "is no kind"),
        ({"repairs.opened_at": "begin"}, "'begin' is no column of work orders.csv"),
        ({"work orders.csv": "repair"}, "'repair' is no answer to work orders.csv"),
    ],
)
def test_an_impossible_answer_is_refused_with_those_possible(
    tmp_path: Path, answers: dict[str, str], said: str
) -> None:
    write(tmp_path, "work orders.csv", "asset,start,order type\nA,2004-07-01,ZX1\nB,2004-07-02,ZX1\n")
    with pytest.raises(InputError, match=said) as refused:
        propose(tmp_path, answers)
    assert refused.value.hint


def test_an_answer_to_no_question_is_told(tmp_path: Path) -> None:
    write(tmp_path, "log.csv", readings("machineID,ts,temp,load"))
    assert "The answer 'zoen' answers no question." in propose(tmp_path, {"zoen": "UTC"}).assumed


def test_the_column_that_files_share_is_the_device_where_no_name_tells(tmp_path: Path) -> None:
    write(tmp_path, "log.csv", readings("pump,ts,temp,load"))
    write(tmp_path, "breakdowns.csv", "pump,ts,failed part\nM0,2024-01-05T03:00:00Z,seal\n")
    tables = propose(tmp_path, {}).fleet.tables
    assert {name: own.columns.get("device_id") for name, own in tables.items()} == {
        "telemetry": "pump", "failures": "pump", "devices": None,
    }  # fmt: skip


def test_a_file_that_cannot_be_read_stops_the_look_unless_it_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "log.csv", readings("machineID,ts,temp,load"))
    write(tmp_path, "page.csv", "<html></html>")
    with pytest.raises(InputError, match=r"page\.csv is a web page"):
        propose(tmp_path, {})
    spec = require_answers(propose(tmp_path, {"page.csv": "none"}), tmp_path)
    assert list(read(tmp_path, spec))


def test_answers_may_be_nested_or_quoted() -> None:
    raw: dict[str, Any] = {"answers": {"zone": "UTC", "log.csv": "none", "repairs": {"kind": {"A": "corrective"}}}}
    assert flat_answers(raw) == {"zone": "UTC", "log.csv": "none", "repairs.kind.A": "corrective"}


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("Machine ID", "device_id"), ("设备编号", "device_id"), ("SerialNo", "device_id"), ("型号", "device_model"),
        ("Timestamp", "event_time"), ("采集时间", "event_time"), ("报修时间", "opened_at"),
        ("BscStartDate", "opened_at"),
        ("故障部件", "component"), ("MajorSystem", "component"), ("订单金额", "amount"), ("客户编号", "customer_id"),
    ],
)  # fmt: skip
def test_names_of_columns_are_known_in_english_and_chinese(name: str, column: str) -> None:
    assert likeness(name, column, COLUMN_NAMES[column]) > 0.5


def test_every_table_has_names() -> None:
    spec = FleetSpec(name="x")
    assert all(spec.table(name).file == "" for name in TABLE_NAMES)


@pytest.mark.parametrize(
    ("word", "kind"),
    [("Breakdown", "corrective"), ("抢修", "corrective"), ("planned", "preventive"), ("unplanned", "corrective"),
     ("巡检", "inspection"), ("PM01", None), ("PM", "preventive"), ("blue", None)],
)  # fmt: skip
def test_words_of_kinds_are_known_and_codes_are_not_guessed(word: str, kind: str | None) -> None:
    assert map_word(word, ("repairs", "kind")) == kind


@pytest.mark.parametrize(
    ("cells", "formats"),
    [
        (["29.01.2025", "1.3.2025", "02.03.2025"], ("%d.%m.%Y",)),
        (["01/02/2025", "03/04/2025"], ("%d/%m/%Y", "%m/%d/%Y")),
        (["01/13/2025", "03/04/2025"], ("%m/%d/%Y",)),
        (["2024年1月5日", "2024年11月25日"], ("%Y年%m月%d日",)),
        (["2024/1/5 12:00", "2024/11/25 1:30"], ("",)),
        (["2024-01-05 12:00", "2024-11-25 01:30"], ("",)),
        (["12.5", "13.5"], ()),
        (["pump", "belt"], ()),
    ],
)
def test_one_format_is_found_for_a_column_and_two_where_cells_do_not_tell(
    cells: list[str], formats: tuple[str, ...]
) -> None:
    assert Content(pd.Series(cells), (".", "")).formats == formats
