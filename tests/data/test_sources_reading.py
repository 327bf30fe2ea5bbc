from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.ingest.sources.reading import read_chunks, read_file, utc, whole_numbers
from aftercast.operations.errors import InputError


def numbers(path: Path, rows: int) -> Path:
    frame = pd.DataFrame({"id": [f"{row:03d}" for row in range(rows)], "value": range(rows)})
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["n.csv", "n.csv.gz", "n.parquet"])
def test_chunks_are_bounded_and_number_their_rows_through_the_file(tmp_path: Path, name: str) -> None:
    chunks = list(read_chunks(numbers(tmp_path / name, 25), rows_at_once=10, typed=True))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert pd.concat(chunks).index.tolist() == list(range(25))
    assert pd.concat(chunks)["value"].tolist() == list(range(25))


def test_csv_cells_stay_text_unless_types_are_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "n.csv"
    file.write_text("id,value\n007,NA\n008,1.50\n")
    (raw,) = read_chunks(file)
    (typed,) = read_chunks(file, typed=True, text=("id",))
    assert raw.to_dict("list") == {"id": ["007", "008"], "value": ["NA", "1.50"]}
    assert typed["id"].tolist() == ["007", "008"]
    assert typed["value"].isna().tolist() == [True, False]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    file = tmp_path / "n.csv"
    file.write_bytes(b"\xef\xbb\xbfid,value\n1,2\n")
    assert list(read_file(file).columns) == ["id", "value"]


def test_a_missing_column_is_refused_with_the_nearest_name_and_the_rows_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"n\.csv has no column 'values' \(3 rows read\)") as refused:
        read_file(numbers(tmp_path / "n.csv", 3), required=("values",))
    assert "'value'" in refused.value.hint


@pytest.mark.parametrize("name", ["n.csv", "n.csv.gz", "n.parquet"])
def test_a_file_without_rows_is_refused_as_empty(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is empty: 0 rows"):
        list(read_chunks(numbers(tmp_path / name, 0)))


@pytest.mark.parametrize("kept", [30, 0.5, 0.95])
@pytest.mark.parametrize("name", ["n.csv.gz", "n.parquet"])
def test_a_file_cut_off_anywhere_is_refused_as_damaged(tmp_path: Path, name: str, kept: float) -> None:
    file = numbers(tmp_path / name, 5000)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept if kept > 1 else len(whole) * kept)])
    with pytest.raises(InputError, match=f"{name} is damaged"):
        list(read_chunks(file))


def test_plain_text_under_a_gzip_name_is_refused_as_damaged(tmp_path: Path) -> None:
    (tmp_path / "n.csv.gz").write_text("id\n1\n")
    with pytest.raises(InputError, match="not a gz file"):
        read_file(tmp_path / "n.csv.gz")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,value\n1,2\n3,4,5\n", "1 of the 2 rows read so far .* first row 2: 3 cells instead of 2"),
        ("id,value\n1,2\n3\n4,5\n", "1 of the 3 rows read so far .* first row 2: 1 cells instead of 2"),
        ("id,value\n1,2,3\n4,5,6\n", "2 of the 2 rows read so far .* first row 1: 3 cells instead of 2"),
        ('id,value\n"1\n2",3\n4\n', "1 of the 2 rows read so far .* first row 2: 1 cells instead of 2"),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_rows_with_more_or_fewer_cells_than_the_header_are_refused(
    tmp_path: Path, text: str, said: str, typed: bool
) -> None:
    (tmp_path / "n.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        list(read_chunks(tmp_path / "n.csv", typed=typed))


@pytest.mark.parametrize("end", ['2,"open\n3,4\n', '2,"open', '2,"a ""b"" c\n'])
def test_a_quotation_mark_that_is_never_closed_is_refused(tmp_path: Path, end: str) -> None:
    (tmp_path / "n.csv").write_text(f"id,text\n1,x\n{end}")
    with pytest.raises(InputError, match="ends within a quotation mark, after 2 rows"):
        list(read_chunks(tmp_path / "n.csv"))


def test_text_may_hold_quotation_marks_commas_and_lines(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text('id,text\n1,5" pipe\n2,"a, ""b""\nc"\n')
    (read,) = read_chunks(tmp_path / "n.csv")
    assert read["text"].tolist() == ['5" pipe', 'a, "b"\nc']


def test_a_column_that_is_text_in_one_chunk_is_no_error_in_another(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("id,value\n1,2\n3,\n5,x\n7,8\n")
    chunks = list(read_chunks(tmp_path / "n.csv", typed=True, rows_at_once=2))
    assert [chunk["value"].dropna().tolist() for chunk in chunks] == [[2.0], ["x", "8"]]


def test_a_gzipped_csv_reads_as_the_plain_one(tmp_path: Path) -> None:
    plain = numbers(tmp_path / "n.csv", 7)
    (tmp_path / "n.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    pd.testing.assert_frame_equal(read_file(plain), read_file(tmp_path / "n.csv.gz"))


@pytest.mark.parametrize(
    "times",
    [
        ["2015-01-03 07:00:00"],
        ["2015-01-03T07:00:00Z"],
        ["2015-01-03T08:00:00+01:00"],
        [pd.Timestamp("2015-01-03 07:00")],
    ],
)
def test_a_publishers_times_are_utc(times: list[object]) -> None:
    assert utc(pd.Series(times), Path("f")).tolist() == [pd.Timestamp("2015-01-03 07:00", tz="UTC")]


def test_calendar_dates_are_midnights() -> None:
    assert utc(pd.Series([dt.date(2015, 1, 3)]), Path("f")).tolist() == [pd.Timestamp("2015-01-03", tz="UTC")]


@pytest.mark.parametrize("broken", ["yesterday", "", "2015-13-01", None])
def test_an_unreadable_time_is_refused_with_column_count_and_example(broken: str | None) -> None:
    times = pd.Series(["2015-01-03 07:00:00", broken], name="datetime", dtype="object")
    with pytest.raises(InputError, match=r"f\.csv: 1 of 2 rows have no readable 'datetime', first") as refused:
        utc(times, Path("f.csv"))
    assert str(broken) in refused.value.message


def test_bare_numbers_are_no_times() -> None:
    with pytest.raises(InputError, match="2 of 2 rows have no readable 'datetime', first '0'"):
        utc(pd.Series([0, 1_420_268_400], name="datetime"), Path("f.csv"))


def test_whole_numbers_come_from_any_type() -> None:
    for values in (pd.Series([0, 1]), pd.Series([0.0, 1.0]), pd.Series(["0", "1"])):
        assert whole_numbers(values, Path("f")).tolist() == [0, 1]


@pytest.mark.parametrize("broken", ["x", "1.5", "inf", None])
def test_what_is_no_whole_number_is_refused_with_count_and_example(broken: str | None) -> None:
    with pytest.raises(InputError, match="1 of 2 rows have no readable 'machineID'"):
        whole_numbers(pd.Series(["1", broken], name="machineID", dtype="object"), Path("f"))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_the_separator_is_found_out(tmp_path: Path, separator: str) -> None:
    (tmp_path / "n.csv").write_text(f"id{separator}value\n1{separator}2\n")
    assert read_file(tmp_path / "n.csv").to_dict("list") == {"id": [1], "value": [2]}
