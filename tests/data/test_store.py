from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from aftercast.data.contract import TABLES
from aftercast.data.store import Store
from aftercast.operations.clocks import TIME_DTYPE
from aftercast.operations.errors import StoreError

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2024-02-01", tz="UTC")


def telemetry(device_id: str, hours: list[int], **sensors: float) -> pd.DataFrame:
    times = pd.Series([START + hour * HOUR for hour in hours]).astype(TIME_DTYPE)
    ids = pd.Series([device_id] * len(hours), dtype="str")
    return pd.DataFrame({"device_id": ids, "event_time": times, "available_at": times, **sensors})


def write(store: Store, *frames: pd.DataFrame) -> None:
    with store.writing() as writer:
        for frame in frames:
            writer.append("telemetry", frame)


def write_and_fail(store: Store, frame: pd.DataFrame) -> None:
    with store.writing() as writer:
        writer.append("telemetry", frame)
        raise ZeroDivisionError


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_without_rows_reads_as_an_empty_typed_frame(store: Store, name: str) -> None:
    frame = store.read(name)
    assert len(frame) == 0
    assert list(frame.columns) == [column.name for column in TABLES[name].columns]
    assert frame["available_at"].dtype == TIME_DTYPE


def test_an_empty_store_is_version_zero_and_has_observed_nothing(store: Store) -> None:
    assert store.version() == 0
    assert store.tables() == {}
    assert store.observed_until() is None
    assert len(store.versions()) == 0


def test_what_is_written_comes_back_in_the_order_of_its_key(store: Store) -> None:
    write(store, telemetry("b", [2, 1], volt=1.5), telemetry("a", [3], volt=2.5))
    frame = store.read("telemetry")
    assert frame["device_id"].tolist() == ["a", "b", "b"]
    assert frame["event_time"].tolist() == [START + 3 * HOUR, START + HOUR, START + 2 * HOUR]
    assert frame["volt"].tolist() == [2.5, 1.5, 1.5]
    assert [str(kind) for kind in frame.dtypes] == ["str", TIME_DTYPE, TIME_DTYPE, "float64"]


def test_every_published_version_stays_readable(store: Store) -> None:
    write(store, telemetry("a", [1], volt=1.0))
    write(store, telemetry("a", [2], heat=2.0))
    assert store.tables(version=1) == {"telemetry": 1}
    assert store.tables() == {"telemetry": 2}
    assert "heat" not in store.read("telemetry", version=1)
    assert store.read("telemetry", version=2)["heat"].isna().tolist() == [True, False]
    assert store.versions()["version"].tolist() == [1, 2]


def test_an_unpublished_version_is_refused_by_number(store: Store) -> None:
    with pytest.raises(StoreError, match="no version 7"):
        store.read("telemetry", version=7)


def test_an_unknown_table_is_refused_by_name(store: Store) -> None:
    with pytest.raises(StoreError, match="no table 'telemetrie'"):
        store.read("telemetrie")


def test_a_reader_during_a_write_sees_the_version_before(store: Store) -> None:
    write(store, telemetry("a", [1], volt=1.0))
    with store.writing() as writer:
        writer.append("telemetry", telemetry("a", [2], volt=1.0))
        assert len(store.read("telemetry")) == 1
        assert store.version() == 1
    assert len(store.read("telemetry")) == 2


def test_a_write_that_fails_leaves_nothing_and_the_next_one_stands_alone(store: Store) -> None:
    write(store, telemetry("a", [1], volt=1.0))
    for hour in (5, 6):
        with pytest.raises(ZeroDivisionError):
            write_and_fail(store, telemetry("dead", [hour], volt=9.0))
    assert store.read("telemetry")["device_id"].tolist() == ["a"]
    write(store, telemetry("b", [2], volt=1.0))
    assert store.read("telemetry")["device_id"].tolist() == ["a", "b"]
    assert store.tables() == {"telemetry": 2}
    assert store.read("telemetry", version=1)["device_id"].tolist() == ["a"]


def test_a_table_begun_by_a_dead_writer_starts_empty(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        write_and_fail(store, telemetry("dead", [1], volt=9.0))
    write(store, telemetry("b", [2], volt=1.0))
    assert store.read("telemetry")["device_id"].tolist() == ["b"]


def test_a_write_without_rows_publishes_nothing(store: Store) -> None:
    with store.writing():
        pass
    assert store.version() == 0


def test_known_at_includes_its_own_instant_and_nothing_later(store: Store) -> None:
    write(store, telemetry("a", [1, 2, 3], volt=1.0))
    assert len(store.read("telemetry", known_at=START + 2 * HOUR)) == 2
    assert len(store.read("telemetry", known_at=START + 2 * HOUR - pd.Timedelta(microseconds=1))) == 1


def test_event_limits_include_both_ends(store: Store) -> None:
    write(store, telemetry("a", [1, 2, 3, 4], volt=1.0))
    frame = store.read("telemetry", event_from=START + 2 * HOUR, event_to=START + 3 * HOUR)
    assert frame["event_time"].tolist() == [START + 2 * HOUR, START + 3 * HOUR]


def test_only_the_devices_asked_for_are_read(store: Store) -> None:
    write(store, *[telemetry(f"d{i}", [1], volt=float(i)) for i in range(9)])
    assert store.read("telemetry", device_ids=["d3", "d7", "none"])["volt"].tolist() == [3.0, 7.0]
    assert len(store.read("telemetry", device_ids=[])) == 0


def test_buckets_part_the_devices_without_loss(store: Store) -> None:
    names = [f"d{i}" for i in range(40)]
    write(store, *[telemetry(name, [1], volt=1.0) for name in names])
    parts = [store.read("telemetry", bucket=bucket)["device_id"] for bucket in range(4)]
    assert sorted(pd.concat(parts)) == sorted(names)
    for bucket, part in enumerate(parts):
        assert (store.bucket_of(part) == bucket).all()
    assert all(len(part) > 0 for part in parts)


def test_buckets_are_those_of_every_earlier_release(store: Store) -> None:
    assert store.bucket_of(["d0", "d1", "d2", "数字"]).tolist() == BUCKETS


BUCKETS = [2, 0, 0, 3]


def test_columns_come_in_the_order_asked_and_an_unseen_sensor_is_all_missing(store: Store) -> None:
    write(store, telemetry("a", [1], volt=1.0))
    frame = store.read("telemetry", columns=["heat", "volt", "device_id"])
    assert list(frame.columns) == ["heat", "volt", "device_id"]
    assert np.isnan(frame["heat"].iloc[0])


def test_zero_missing_and_one_stay_apart(store: Store) -> None:
    frame = telemetry("a", [1, 2, 3]).assign(volt=[0.0, np.nan, 1.0])
    write(store, frame)
    values = store.read("telemetry")["volt"]
    assert values.isna().tolist() == [False, True, False]
    assert values.dropna().tolist() == [0.0, 1.0]


def test_two_writers_take_turns(store: Store, make_store: Callable[[str], Store]) -> None:
    twin = make_store("fresh")
    write(store, telemetry("a", [1], volt=1.0))
    write(twin, telemetry("a", [2], volt=1.0))
    assert store.tables() == twin.tables() == {"telemetry": 2}
    assert store.version() == 2


def test_other_device_buckets_than_the_store_was_made_with_are_refused(store: Store) -> None:
    write(store, telemetry("d1", [0, 1], volt=1.0))
    changed = Store(store.address, store.database, 8)
    with pytest.raises(StoreError, match="4 parts, the settings say 8"):
        changed.read("telemetry")
    assert len(store.read("telemetry", device_ids=["d1"])) == 2
