"""The inbox gives out what waits, oldest first, in work that grows with the batches and not with their square."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import pandas as pd
import pytest
from sqlalchemy import Engine

from aftercast.operations.database.engine import open_database
from aftercast.operations.database.inbox import (
    InboxBatch,
    count_waiting,
    find_batch,
    mark_drained,
    put_batch,
    waiting_batches,
)

START = pd.Timestamp("2026-03-01", tz="UTC")


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database("sqlite:///records.db", tmp_path)


def batch(number: int, rows: int = 1) -> InboxBatch:
    records = tuple({"device_id": f"D{row}"} for row in range(rows))
    return InboxBatch(f"b{number:05}", "faults", records, START + pd.Timedelta(seconds=number))


def test_a_batch_is_kept_once_and_comes_back_as_it_was(engine: Engine) -> None:
    assert put_batch(engine, batch(1, rows=2))
    assert not put_batch(engine, batch(1))
    assert find_batch(engine, "b00001") == batch(1, rows=2)
    waiting = count_waiting(engine)
    assert (waiting.batches, waiting.rows, waiting.since) == (1, 2, batch(1).received_at)


@pytest.mark.parametrize(("most_rows", "taken"), [(1, 1), (3, 1), (4, 2), (8, 2), (9, 3), (100, 3)])
def test_batches_come_oldest_first_up_to_so_many_rows_but_at_least_one(
    engine: Engine, most_rows: int, taken: int
) -> None:
    for number, rows in ((3, 5), (1, 2), (2, 2)):
        put_batch(engine, batch(number, rows))
    found = waiting_batches(engine, most_rows)
    assert [one.batch_id for one in found] == ["b00001", "b00002", "b00003"][:taken]


def test_drained_batches_no_longer_wait(engine: Engine) -> None:
    for number in (1, 2):
        put_batch(engine, batch(number))
    mark_drained(engine, ["b00001"], "import")
    assert [one.batch_id for one in waiting_batches(engine, 100)] == ["b00002"]


def test_twice_as_many_batches_are_twice_the_work(engine: Engine) -> None:
    def work(batches: int) -> int:
        for number in range(batches):
            put_batch(engine, batch(number))
        calls = 0

        def count(_frame: FrameType, event: str, _what: object) -> None:
            nonlocal calls
            calls += event in {"call", "c_call"}

        sys.setprofile(count)
        try:
            assert len(waiting_batches(engine, 10_000)) == batches
        finally:
            sys.setprofile(None)
        return calls

    few = work(200)
    assert work(400) < 2.2 * few
