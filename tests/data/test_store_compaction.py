"""Many small imports are merged into few files, and no reader of any version can tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable

from aftercast.data.store import Store, StoreWriter
from aftercast.data.store.delta import MOST_SMALL, TIERS
from aftercast.operations.clocks import TIME_DTYPE

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2024-02-01", tz="UTC")
DEVICES = [f"d{i}" for i in range(12)]


def portion(number: int) -> pd.DataFrame:
    """One hour of every device; later portions have a sensor more, and every third corrects the hour before."""
    moments = pd.Series([START + number * HOUR] * len(DEVICES)).astype(TIME_DTYPE)
    about = moments - HOUR if number % 3 == 2 else moments
    frame = pd.DataFrame({"device_id": pd.Series(DEVICES, dtype="str"), "event_time": about, "available_at": moments})
    frame["volt"] = np.arange(len(DEVICES)) + number / 8
    return frame.assign(heat=float(number)) if number > 20 else frame


def write(store: Store, frame: pd.DataFrame) -> None:
    with store.writing() as writer:
        writer.append("telemetry", frame)


def files(store: Store) -> int:
    return len(DeltaTable(f"{store.address}/telemetry").file_uris())


def test_the_files_of_many_small_imports_stay_few(store: Store) -> None:
    counts = []
    for number in range(4 * MOST_SMALL):
        write(store, portion(number))
        counts.append(files(store))
    assert max(counts) <= store.device_buckets * MOST_SMALL
    assert counts[MOST_SMALL] == store.device_buckets, "one file a part right after merging"
    assert len(store.read("telemetry")) == 4 * MOST_SMALL * len(DEVICES)


def test_every_version_reads_as_it_was_before_anything_was_merged(store: Store) -> None:
    told = []
    for number in range(3 * MOST_SMALL):
        write(store, portion(number))
        told.append(store.read("telemetry"))
    assert files(store) <= store.device_buckets * MOST_SMALL
    for version, frame in enumerate(told, 1):
        pd.testing.assert_frame_equal(store.read("telemetry", version=version), frame)


def test_merged_rows_are_still_found_by_device_and_bucket(store: Store) -> None:
    for number in range(2 * MOST_SMALL):
        write(store, portion(number))
    one = store.read("telemetry", device_ids=["d3"])
    assert len(one) == 2 * MOST_SMALL
    assert sorted(set(one["device_id"])) == ["d3"]
    parts = [len(store.read("telemetry", bucket=bucket)) for bucket in range(store.device_buckets)]
    assert sum(parts) == 2 * MOST_SMALL * len(DEVICES)


def test_a_writer_that_dies_between_merging_and_publishing_leaves_the_version_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MOST_SMALL):
        write(store, portion(number))
    before = store.read("telemetry")
    merge = StoreWriter.compact

    def merge_and_die(writer: StoreWriter) -> None:
        merge(writer)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(StoreWriter, "compact", merge_and_die)
        with pytest.raises(ZeroDivisionError):
            write(store, portion(MOST_SMALL))
    pd.testing.assert_frame_equal(store.read("telemetry"), before)
    write(store, portion(MOST_SMALL + 1))
    after = store.read("telemetry")
    assert len(after) == len(before) + len(DEVICES)
    pd.testing.assert_frame_equal(store.read("telemetry", version=MOST_SMALL), before)


def test_files_of_a_later_tier_are_left_alone_until_there_are_many(store: Store) -> None:
    large = pd.concat([portion(number) for number in range(3000)], ignore_index=True)
    large["volt"] = np.random.default_rng(1).normal(size=len(large))
    write(store, large)
    kept = {path for path in Path(store.address).rglob("*.parquet") if path.stat().st_size >= TIERS[0]}
    assert kept, "the first import makes files above the first tier"
    for number in range(5000, 5000 + 2 * MOST_SMALL):
        write(store, portion(number))
    live = {Path(uri) for uri in DeltaTable(f"{store.address}/telemetry").file_uris()}
    assert kept <= live
