"""How far each table was followed, and what a few stray rows may not move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from aftercast.data.ingest import Batch, ImportReport
from aftercast.data.status import describe
from aftercast.data.store import Store
from aftercast.data.store.coverage import add_months, count_months, span_of, span_of_times

Load = Callable[..., ImportReport]
MakeBatch = Callable[..., Batch]
DAYS = pd.Series(pd.date_range("2025-01-01", "2025-05-01", freq="6h", tz="UTC").as_unit("us"))


def at(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def with_strays(*texts: str) -> pd.Series:
    return pd.concat([DAYS, pd.Series([at(text) for text in texts])], ignore_index=True)


@pytest.mark.parametrize(
    ("strays", "early", "late"),
    [
        ((), 0, 0),
        (("1970-01-01T00:00:07",), 1, 0),
        (("1970-01-01T00:00:07", "2000-01-01"), 2, 0),
        (("2025-11-20",), 0, 1),
        (("1970-01-01", "2025-11-20"), 1, 1),
    ],
)
def test_a_row_far_from_all_others_moves_neither_beginning_nor_end(
    strays: tuple[str, ...], early: int, late: int
) -> None:
    span = span_of_times(with_strays(*strays))
    assert span is not None
    assert (span.first, span.last, span.early, span.late) == (DAYS.min(), DAYS.max(), early, late)


def test_the_counts_of_two_imports_are_those_of_one() -> None:
    times = with_strays("1970-01-01", "2025-11-20")
    parts = [count_months(times[::2]), count_months(times[1::2])]
    assert span_of(add_months(*parts)) == span_of_times(times)


@pytest.mark.parametrize(
    "times",
    [
        ["2001-03-01", "2003-01-01", "2003-02-01", "2005-06-01", *[f"20{year:02}-01-01" for year in range(6, 20)]],
        ["2024-01-01", "2024-09-01"],
    ],
)
def test_a_table_with_few_rows_and_long_gaps_has_no_strays(times: list[str]) -> None:
    span = span_of_times(pd.Series([at(text) for text in times]))
    assert span is not None
    assert (span.first, span.last, span.stray) == (at(times[0]), at(times[-1]), None)


def test_a_fleet_that_reports_again_after_a_pause_is_followed_again() -> None:
    again = pd.Series(pd.date_range("2025-09-01", periods=3, freq="1h", tz="UTC").as_unit("us"))
    span = span_of_times(pd.concat([DAYS, again], ignore_index=True))
    assert span is not None
    assert span.last == again.max()


def device(name: str = "D1") -> dict[str, Any]:
    return {"device_id": name, "device_model": "m", "installed_at": "2024-01-01T00:00:00Z"}


def readings(*times: Any) -> list[dict[str, Any]]:
    return [{"device_id": "D1", "event_time": pd.Timestamp(time).isoformat(), "volt": 1.0} for time in times]


@pytest.mark.parametrize("stray", ["1970-01-01T00:00:07Z", "2025-11-20T00:00:00Z"])
def test_an_import_names_a_stray_row_and_moves_no_end_by_it(
    load: Load, store: Store, batch: MakeBatch, stray: str
) -> None:
    report = load(batch("devices", device()), batch("telemetry", *readings(*DAYS, stray)))
    assert store.observed_until() == DAYS.max()
    assert len(store.read("telemetry")) == len(DAYS) + 1
    (notice,) = report.notices
    assert stray[:10] in notice
    assert "2025-01-01 to 2025-05-01" in notice


def test_each_table_says_how_far_it_was_followed(load: Load, store: Store, batch: MakeBatch) -> None:
    failure = {"device_id": "D1", "event_time": "2025-02-01T00:00:00Z", "component": "pump"}
    load(batch("devices", device()), batch("telemetry", *readings(*DAYS)), batch("failures", failure))
    assert store.followed()["failures"] == at("2025-02-01")
    assert store.followed()["telemetry"] == DAYS.max() == store.observed_until()
    shown = {table.name: table.followed_until for table in describe(store).tables}
    assert shown["failures"] == at("2025-02-01")


def test_a_source_that_says_until_when_it_saw_the_world_says_it_of_every_table(
    load: Load, store: Store, batch: MakeBatch
) -> None:
    failure = {"device_id": "D1", "event_time": "2025-02-01T00:00:00Z", "component": "pump"}
    load(batch("devices", device()), batch("failures", failure))
    load(batch("telemetry", *readings(*DAYS), covers_until=at("2025-06-01")))
    assert store.followed()["failures"] == store.followed()["telemetry"] == at("2025-06-01")


def test_of_customers_the_dates_of_the_dated_and_of_the_events_count(
    load: Load, store: Store, batch: MakeBatch
) -> None:
    row = {"customer_id": "C1", "since": "2024-01-01T00:00:00Z", "left_at": "2024-05-01T00:00:00Z"}
    load(batch("customers", row))
    assert store.followed()["customers"] == at("2024-05-01")
    load(batch("customers", row | {"available_at": "2024-08-01T00:00:00Z"}))
    assert store.followed()["customers"] == at("2024-08-01")
