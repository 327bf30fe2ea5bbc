"""Files as people have them: other writings of the same rows give the same tables, or one sentence with its remedy."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import ImportReport, ingest
from aftercast.data.ingest.sources.tables import draft, read
from aftercast.data.store import Store
from aftercast.operations.errors import InputError

SPEC: dict[str, Any] = {"name": "variants", "sensors": [{"name": "temp"}, {"name": "oil"}], "components": []}
DEVICES = [["device_id", "device_model", "installed_at", "region"]] + [
    [f"000{n}", "V90", "2015-06-01T00:00:00Z", "压缩站"] for n in range(1, 5)
]
TELEMETRY = [["device_id", "event_time", "temp", "oil"]] + [
    [f"000{1 + n % 4}", f"2016-01-{2 + n // 4:02d}T0{n % 4}:00:00Z", f"{1039.5 + n}", f"{n % 7}.25"] for n in range(24)
]
FAILURES = [["device_id", "event_time", "component"]] + [
    [f"000{n}", f"2016-01-0{n}T12:30:00Z", "齿轮箱" if n % 2 else "pump"] for n in range(1, 5)
]
TABLES = {"devices": DEVICES, "telemetry": TELEMETRY, "failures": FAILURES}
Rows = list[list[str]]


def as_text(rows: Rows, delimiter: str = ",") -> str:
    cells = [[f'"{cell}"' if delimiter in cell else cell for cell in row] for row in rows]
    return "\n".join(delimiter.join(row) for row in cells) + "\n"


def changed(column: str, change: Callable[[str], str]) -> dict[str, Rows]:
    """All tables with the cells of a column changed."""
    return {
        name: [[change(cell) if k and rows[0][c] == column else cell for c, cell in enumerate(row)] for k, row in
               enumerate(rows)]
        for name, rows in TABLES.items()
    }  # fmt: skip


def commas(cell: str) -> str:
    return cell.replace(".", ",")


def grouped(cell: str) -> str:
    return f"{float(cell):,}"


def european(cell: str) -> str:
    return grouped(cell).replace(",", "x").replace(".", ",").replace("x", ".")


def local(cell: str, form: str = "%Y-%m-%d %H:%M") -> str:
    """Return the same instant as the clocks of Warsaw show it, without a zone."""
    return pd.Timestamp(cell).tz_convert("Europe/Warsaw").strftime(form)


def numbers(change: Callable[[str], str]) -> dict[str, Rows]:
    return changed("temp", change) | {"telemetry": changed_twice(change)}


def changed_twice(change: Callable[[str], str]) -> Rows:
    return [TELEMETRY[0]] + [[*row[:2], change(row[2]), change(row[3])] for row in TELEMETRY[1:]]


def times(form: str) -> dict[str, Rows]:
    def change(cell: str) -> str:
        return local(cell, form)

    return {name: _with(rows, change) for name, rows in TABLES.items()}


def _with(rows: Rows, change: Callable[[str], str]) -> Rows:
    clocks = [place for place, name in enumerate(rows[0]) if name in {"event_time", "installed_at"}]
    return [rows[0]] + [[change(c) if k in clocks else c for k, c in enumerate(row)] for row in rows[1:]]


def write(
    folder: Path, tables: dict[str, Rows], encoding: str = "utf-8", delimiter: str = ",", end: str = ".csv"
) -> None:
    for name, rows in tables.items():
        (folder / f"{name}{end}").write_bytes(as_text(rows, delimiter).encode(encoding))


def zipped(folder: Path, tables: dict[str, Rows]) -> None:
    for name, rows in tables.items():
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(as_text(rows).encode()))


def titled(folder: Path, tables: dict[str, Rows]) -> None:
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text(f"Export of 2016\n\n{as_text(rows)}")


def in_parts(folder: Path, tables: dict[str, Rows]) -> None:
    for name, rows in tables.items():
        (folder / name).mkdir()
        for part in range(2):
            (folder / name / f"part-{part}.csv").write_text(as_text([rows[0], *rows[1 + part :: 2]]))


def shouted(rows: Rows) -> Rows:
    names = [f" {name} " if name in {"temp", "oil"} else name.upper().replace("_", " ") for name in rows[0]]
    return [names, *rows[1:]]


def stored(store: Store, folder: Path | str, settings: dict[str, Any]) -> tuple[dict[str, pd.DataFrame], ImportReport]:
    spec = FleetSpec.model_validate(SPEC | settings)
    report = ingest(store, read(folder, spec), spec, origin="variants")
    return {name: store.read(name) for name in report.tables}, report


@pytest.fixture
def expected(make_store: Callable[[str], Store], tmp_path: Path) -> dict[str, pd.DataFrame]:
    folder = tmp_path / "plain"
    folder.mkdir()
    write(folder, TABLES)
    tables, report = stored(make_store("plain"), folder, {})
    assert [table.quarantined for table in report.tables.values()] == [{}, {}, {}]
    return tables


ZONE = {"files": {"zone": "Europe/Warsaw"}}
SAME: dict[str, tuple[Callable[[Path], None], dict[str, Any]]] = {
    "byte order mark": (lambda f: write(f, TABLES, "utf-8-sig"), {}),
    "semicolons": (lambda f: write(f, TABLES, delimiter=";"), {}),
    "semicolons and decimal commas": (lambda f: write(f, numbers(commas), delimiter=";"), {}),
    "semicolons, decimal commas, points between thousands": (lambda f: write(f, numbers(european), delimiter=";"), {}),
    "quoted decimal commas between commas": (lambda f: write(f, numbers(commas)), {}),
    "commas between thousands": (lambda f: write(f, numbers(grouped)), {}),
    "byte order mark and semicolons": (lambda f: write(f, TABLES, "utf-8-sig", ";"), {}),
    "tabs": (lambda f: write(f, TABLES, delimiter="\t", end=".tsv"), {}),
    "tabs in .txt": (lambda f: write(f, TABLES, delimiter="\t", end=".txt"), {}),
    "bars": (lambda f: write(f, TABLES, delimiter="|"), {}),
    "GBK": (lambda f: write(f, TABLES, "gbk"), {}),
    "GB18030": (lambda f: write(f, TABLES, "gb18030"), {}),
    "UTF-16 with tabs, as spreadsheets call Unicode text": (lambda f: write(f, TABLES, "utf-16", "\t", ".txt"), {}),
    "UTF-16 without a mark": (lambda f: write(f, TABLES, "utf-16-le"), {}),
    "gzip": (lambda f: zipped(f, TABLES), {}),
    "title lines": (lambda f: titled(f, TABLES), {}),
    "headers in capitals and with blanks": (lambda f: write(f, {n: shouted(r) for n, r in TABLES.items()}), {}),
    "blanks behind ids": (lambda f: write(f, changed("device_id", lambda cell: f"{cell}  ")), {}),
    "folder of parts": (lambda f: in_parts(f, TABLES), {}),
    "local times and a zone": (lambda f: write(f, times("%Y-%m-%d %H:%M")), ZONE),
    "day, month, year": (
        lambda f: write(f, times("%d.%m.%Y %H:%M")),
        {"files": {"zone": "Europe/Warsaw", "time_format": "%d.%m.%Y %H:%M"}},
    ),
    "month first": (
        lambda f: write(f, times("%m/%d/%Y %I:%M %p")),
        {"files": {"zone": "Europe/Warsaw", "time_format": "%m/%d/%Y %I:%M %p"}},
    ),
    "epoch seconds": (
        lambda f: write(f, {n: _with(r, lambda c: str(int(pd.Timestamp(c).timestamp()))) for n, r in TABLES.items()}),
        {"files": {"time_format": "epoch_s"}},
    ),
    "epoch milliseconds": (
        lambda f: write(f, {n: _with(r, lambda c: f"{pd.Timestamp(c).timestamp():.0f}000") for n, r in TABLES.items()}),
        {"files": {"time_format": "epoch_ms"}},
    ),
    "other words for components": (
        lambda f: write(f, changed("component", lambda cell: {"pump": "P-1"}.get(cell, cell))),
        {"tables": {"failures": {"values": {"component": {"P-1": "pump"}}}}},
    ),
    "another unit": (
        lambda f: write(f, changed("temp", lambda cell: f"{float(cell) * 9 / 5 + 32:.6f}")),
        {"sensors": [{"name": "temp", "unit": "°C"}, {"name": "oil"}],
         "tables": {"telemetry": {"units": {"temp": "°F"}}}},
    ),
    "a sensor and a value a row": (
        lambda f: write(f, TABLES | {"telemetry": [["device_id", "event_time", "tag", "val"]] + [
            [*row[:2], TELEMETRY[0][k], row[k]] for row in TELEMETRY[1:] for k in (2, 3)]}),
        {"tables": {"telemetry": {"columns": {"sensor": "tag", "value": "val"}}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", SAME)
def test_the_same_rows_are_the_same_tables(
    variant: str, tmp_path: Path, store: Store, expected: dict[str, pd.DataFrame]
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    make, settings = SAME[variant]
    make(folder)
    tables, report = stored(store, folder, settings)
    assert [table.quarantined for table in report.tables.values()] == [{}, {}, {}]
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(tables[name], frame, check_dtype=False, atol=1e-6)


def workbook(path: Path, tables: dict[str, list[list[Any]]], *, mac: bool = False) -> Path:
    book = openpyxl.Workbook()
    if mac:
        book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    for sheet in list(book):
        book.remove(sheet)
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def typed(rows: Rows) -> list[list[Any]]:
    """Rows as a person types them: dates as dates without a zone, readings as numbers, ids as text."""

    def cell(name: str, text: str) -> Any:
        if name in {"event_time", "installed_at"}:
            return pd.Timestamp(local(text)).to_pydatetime()
        return float(text) if name in {"temp", "oil"} else text

    return [rows[0]] + [[cell(*each) for each in zip(rows[0], row, strict=True)] for row in rows[1:]]


@pytest.mark.parametrize("mac", [False, True])
@pytest.mark.parametrize("one", [False, True])
def test_workbooks_are_read_sheet_by_sheet_in_both_date_systems(
    tmp_path: Path, store: Store, expected: dict[str, pd.DataFrame], one: bool, mac: bool
) -> None:
    folder = tmp_path / "book"
    folder.mkdir()
    if one:
        workbook(folder / "all.xlsx", {name: typed(rows) for name, rows in TABLES.items()}, mac=mac)
    else:
        for name, rows in TABLES.items():
            workbook(folder / f"{name}.xlsx", {"Sheet1": typed(rows)}, mac=mac)
    tables, _ = stored(store, folder, ZONE)
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(tables[name], frame, check_dtype=False)


def test_a_merged_cell_is_the_value_of_each_of_its_rows(tmp_path: Path, store: Store) -> None:
    write(tmp_path, {"devices": DEVICES})
    path = workbook(tmp_path / "failures.xlsx", {"Sheet1": [["device_id", "event_time", "component"]] + [
        ["0001", f"2016-01-0{n}T00:00:00Z", "pump"] for n in range(1, 5)]})  # fmt: skip
    book = openpyxl.load_workbook(path)
    book["Sheet1"].merge_cells("A2:A5")
    book["Sheet1"].merge_cells("C3:C4")
    book.save(path)
    tables, _ = stored(store, tmp_path, {})
    assert tables["failures"]["device_id"].tolist() == ["0001"] * 4


def test_long_numbers_of_a_workbook_keep_every_digit_or_are_set_aside(tmp_path: Path, store: Store) -> None:
    rows: list[list[Any]] = [
        ["device_id", "device_model", "installed_at", "lot"],
        ["00042", "m", "2020-01-01T00:00:00Z", 6932169358293],
        ["42", "m", "2020-01-01T00:00:00Z", "06932169358293"],
        [12345678901234567890, "m", "2020-01-01T00:00:00Z", ""],
    ]
    tables, report = stored(store, workbook(tmp_path / "devices.xlsx", {"Sheet1": rows}), {})
    assert tables["devices"]["device_id"].tolist() == ["00042", "42"]
    assert tables["devices"]["lot"].tolist() == ["6932169358293", "06932169358293"]
    assert report.tables["devices"].quarantined == {"unusable_id": 1}
    assert "more than 15 digits" in report.tables["devices"].examples["unusable_id"]


@pytest.mark.parametrize("gap", [False, True])
def test_whole_numbers_of_parquet_keep_every_digit(tmp_path: Path, store: Store, gap: bool) -> None:
    ids = pd.array([1234567890123456789, 1234567890123456790, *([None] if gap else [])], dtype="Int64")
    frame = pd.DataFrame({"device_id": ["a", "b", "c"][: len(ids)], "device_model": "m", "customer_id": ids})
    frame["installed_at"] = pd.Timestamp("2020-01-01")
    frame.to_parquet(tmp_path / "devices.parquet")
    tables, _ = stored(store, tmp_path, ZONE)
    assert tables["devices"]["customer_id"].tolist()[:2] == ["1234567890123456789", "1234567890123456790"]
    assert tables["devices"]["installed_at"][0] == pd.Timestamp("2019-12-31T23:00Z")


def test_lists_in_parquet_are_text(tmp_path: Path, store: Store) -> None:
    frame = pd.DataFrame({"device_id": ["a"], "device_model": ["m"], "installed_at": ["2020-01-01T00:00:00Z"]})
    frame.assign(tags=pd.Series([["x", "y"]])).to_parquet(tmp_path / "devices.parquet")
    assert stored(store, tmp_path, {})[0]["devices"]["device_id"].tolist() == ["a"]


@pytest.mark.parametrize("query", [None, "SELECT * FROM failures WHERE component <> ''"])
def test_a_database_is_read_by_its_address(
    tmp_path: Path, store: Store, expected: dict[str, pd.DataFrame], query: str | None
) -> None:
    with sqlite3.connect(tmp_path / "fleet.db") as connection:
        for name, rows in TABLES.items():
            pd.DataFrame(rows[1:], columns=rows[0]).to_sql(name, connection, index=False)
    connection.close()
    settings = {} if query is None else {"tables": {"failures": {"query": query}}}
    tables, _ = stored(store, f"sqlite:///{tmp_path / 'fleet.db'}", settings)
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(tables[name], frame, check_dtype=False)


def test_a_latin_file_is_no_mojibake(tmp_path: Path, store: Store) -> None:
    text = as_text(DEVICES).replace("压缩站", "Köln-Süd, Größe").replace(", ", " ")
    (tmp_path / "devices.csv").write_bytes(text.encode("latin-1"))
    assert set(stored(store, tmp_path, {})[0]["devices"]["region"]) == {"Köln-Süd Größe"}


def test_a_header_without_rows_is_a_table_of_no_rows_and_the_others_come_in(tmp_path: Path, store: Store) -> None:
    write(tmp_path, TABLES | {"failures": FAILURES[:1]})
    tables, report = stored(store, tmp_path, {})
    assert report.tables["failures"].read == 0
    assert len(tables["telemetry"]) == 24
    assert "failures.csv has a header and no rows" in " ".join(report.notices)


def test_hours_that_clocks_repeat_or_leave_out_are_set_aside_and_never_guessed(tmp_path: Path, store: Store) -> None:
    moments = ["2015-10-25 01:59", "2015-10-25 02:15", "2015-10-25 02:15", "2015-10-25 03:00", "2016-03-27 02:30"]
    rows = [["device_id", "event_time", "component"]] + [["0001", moment, f"c{n}"] for n, moment in enumerate(moments)]
    write(tmp_path, {"devices": DEVICES, "failures": rows})
    tables, report = stored(store, tmp_path, ZONE)
    assert report.tables["failures"].quarantined == {"clock_change": 3}
    assert "failures.csv row 2" in report.tables["failures"].examples["clock_change"]
    assert [f"{time:%dT%H:%M}" for time in tables["failures"]["event_time"]] == ["24T23:59", "25T02:00"]


def test_words_are_missing_only_where_the_settings_say_so(
    tmp_path: Path, store: Store, make_store: Callable[[str], Store]
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    write(folder, changed("region", lambda _: "NA"))
    assert set(stored(store, folder, {})[0]["devices"]["region"]) == {"NA"}
    tables, _ = stored(make_store("said"), folder, {"files": {"missing": ["NA"]}})
    assert tables["devices"]["region"].isna().all()


def test_a_stray_quotation_mark_sets_aside_what_it_swallowed_naming_the_line(tmp_path: Path, store: Store) -> None:
    lines = "".join(f"D{n},{chr(34) if n in {3, 5} else ''}24 inch,2025-01-01T00:00:00Z\n" for n in range(8))
    (tmp_path / "devices.csv").write_text("device_id,device_model,installed_at\n" + lines)
    _, report = stored(store, tmp_path, {})
    assert report.tables["devices"].quarantined == {"line_break": 1}
    assert "row 4" in report.tables["devices"].examples["line_break"]


def test_flags_of_telemetry_are_numbers_in_draft_and_import(tmp_path: Path, store: Store) -> None:
    rows = [["device_id", "event_time", "door_open"]] + [
        ["0001", f"2016-01-01T{n:02d}:00:00Z", "True" if n % 2 else "False"] for n in range(20)
    ]
    write(tmp_path, {"devices": DEVICES, "telemetry": rows})
    assert draft(tmp_path).sensor_names == ("door_open",)
    tables, report = stored(store, tmp_path, {"sensors": [{"name": "door_open"}]})
    assert report.tables["telemetry"].quarantined == {}
    assert tables["telemetry"]["door_open"].sum() == 10


def test_codes_of_sensors_keep_their_zeros(tmp_path: Path, store: Store) -> None:
    rows = [["device_id", "event_time", "sensor", "value"]] + [
        ["0001", f"2016-01-01T{n:02d}:00:00Z", code, "50.1"] for n in range(20) for code in ("001", "002", "repeat")
    ]
    write(tmp_path, {"devices": DEVICES, "telemetry": rows})
    assert draft(tmp_path).sensor_names == ("001", "002", "repeat")
    tables, _ = stored(store, tmp_path, {"sensors": [{"name": "001"}, {"name": "repeat"}]})
    assert tables["telemetry"]["repeat"].sum() == pytest.approx(20 * 50.1)


REFUSED: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "long telemetry under other names": (
        {"telemetry": as_text([["device_id", "event_time", "tag", "val"]] + [
            [*row[:2], TELEMETRY[0][k], row[k]] for row in TELEMETRY[1:] for k in (2, 3)])},
        {}, r"several rows per device and instant differ in 'tag': .*sensor = \"tag\", value = \"val\"",
    ),
    "times without a zone": (
        {"failures": as_text(FAILURES).replace("Z,", ",")}, {}, r"no time zone in 4 rows .*zone = \"Europe/Berlin\"",
    ),
    "two columns of one name": (
        {"failures": as_text(FAILURES).replace("component", "event_time")}, {}, "has the column 'event_time' twice",
    ),
    "a comma that may be either": (
        {"telemetry": as_text([TELEMETRY[0], *([*row[:2], "1,234", "2"] for row in TELEMETRY[1:])])},
        {}, r"numbers such as .* may mean 1234 or 1.234. .*decimal = \",\"",
    ),
    "a web page": ({"failures": "<html><table></table></html>"}, {}, "is a web page or XML, not a table. Save it"),
    "an empty file": ({"failures": ""}, {}, "is empty: it has no header"),
    "an unknown encoding": ({}, {"files": {"encoding": "klingon"}}, "There is no encoding 'klingon'. Use utf-8"),
    "another encoding than said": ({}, {"files": {"encoding": "ascii"}}, "devices.csv is not ascii text: line 2"),
    "a file that is not there": (
        {}, {"tables": {"failures": {"file": "nothing*.csv"}}}, r"has no file 'nothing\*.csv'",
    ),
    "units that measure other things": (
        {}, {"sensors": [{"name": "temp", "unit": "bar"}], "tables": {"telemetry": {"units": {"temp": "°F"}}}},
        "Sensor 'temp': '°F' does not convert to 'bar'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("variant", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_sentence_with_its_remedy(
    variant: str, tmp_path: Path, store: Store
) -> None:
    write(tmp_path, TABLES)
    files, settings, said = REFUSED[variant]
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(Exception, match=said) as refused:
        stored(store, tmp_path, settings)
    assert getattr(refused.value, "hint", "")
    assert store.version() == 0


def test_the_folder_above_the_tables_is_named_as_such(tmp_path: Path, store: Store) -> None:
    (tmp_path / "export").mkdir()
    write(tmp_path / "export", TABLES)
    with pytest.raises(InputError, match=r"export is named like no table. Name the folder .*export itself"):
        stored(store, tmp_path, {})
