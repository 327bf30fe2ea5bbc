"""A vacuum: what must go is in no file afterwards, what must stay is whole, killed at any point or not."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from aftercast.data.ingest import Batch, ImportReport
from aftercast.data.store import Expiry, Store, Vacuumed, find_damage, vacuum_store
from aftercast.operations.errors import StoreError

Make = Callable[..., Any]
Load = Callable[..., ImportReport]
SECRET = "Zebrafinch7"
"""Text that must be found nowhere after its time."""
NOW = pd.Timestamp("2025-01-01", tz="UTC")
KEPT = pd.Timedelta(days=300)


def fill(load: Load, batch: Make, device: Make, reading: Make) -> None:
    """Two devices; the one that is named by the secret has rows in every table, one of them old."""
    clock = "2024-02-01T00:00:00Z"
    old, new = {"event_time": clock, "available_at": clock}, {"event_time": "2024-12-01T00:00:00Z"}
    since = {"since": "2024-01-01T00:00:00Z", "available_at": "2024-01-01T00:00:00Z"}
    order = {"device_id": SECRET, "opened_at": clock, "kind": "corrective", "available_at": clock}
    contact = {"customer_id": "c1", "kind": "question", **old}
    load(
        batch("customers", {"customer_id": "c1", **since}),
        batch("devices", device("d1", customer_id="c1"), device(SECRET, lot=f"lot {SECRET}")),
        batch("telemetry", *(reading(hour, name, volt=float(hour)) for hour in range(20) for name in ("d1", SECRET))),
        batch("failures", {"device_id": SECRET, "component": "p", **old}, {"device_id": "d1", "component": "p", **old}),
        batch("repairs", {"work_order_id": "W1", **order}, {"work_order_id": "W2", **order, "device_id": "d1"}),
        batch("parts_used", {"work_order_id": "W1", "sku": f"s{SECRET}", "quantity": 1, "available_at": clock}),
        batch("contacts", {"contact_id": "k1", **contact, "device_id": SECRET}),
    )
    load(batch("failures", {"device_id": "d1", "component": "q", **new, "available_at": new["event_time"]}))
    load(batch("failures", {"device_id": "nobody", "component": SECRET, **old}))


def found_in(folder: Path, text: str) -> list[str]:
    """Files below a folder that hold a text: as bytes, or in a cell of a Parquet file."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [path for path in files if text.encode() in path.read_bytes() or _in_parquet(path, text)]
    return [str(path.relative_to(folder)) for path in found]


def _in_parquet(path: Path, text: str) -> bool:
    if path.suffix != ".parquet":
        return False
    frame = pq.read_table(path).to_pandas()
    return any(frame[name].astype(str).str.contains(text).any() for name in frame.columns)


def shrunk(store: Store) -> None:
    store.database.dispose()
    with closing(sqlite3.connect(store.database.url.database or "")) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.fixture
def filled(store: Store, load: Load, batch: Make, device: Make, reading: Make) -> Store:
    fill(load, batch, device, reading)
    return store


def test_what_is_forgotten_is_in_no_file_and_what_refers_to_it_stays_without_the_id(filled: Store) -> None:
    folder = Path(filled.address)
    before = filled.read("telemetry", device_ids=["d1"])
    assert found_in(folder, SECRET)
    removed = vacuum_store(filled, Expiry(NOW, entity_id=SECRET))
    assert {name: each.rows for name, each in removed.items() if each.rows} == {
        "_quarantine": 1,
        "devices": 1,
        "failures": 1,
        "parts_used": 1,
        "repairs": 1,
        "telemetry": 20,
    }
    assert found_in(folder, SECRET) == []
    pd.testing.assert_frame_equal(filled.read("telemetry"), before)
    assert filled.read("contacts")["device_id"].isna().tolist() == [True]
    assert find_damage(filled) == {}


def test_rows_past_their_time_are_removed_and_newer_ones_stay(filled: Store) -> None:
    version = filled.version()
    expiry = Expiry(NOW, dict.fromkeys(("telemetry", "failures", "repairs"), KEPT))
    assert vacuum_store(filled, expiry, dry_run=True)["telemetry"] == Vacuumed(40, True, 0)
    assert len(filled.read("telemetry")) == 40
    removed = vacuum_store(filled, expiry)
    assert {name: each.rows for name, each in removed.items() if each.rows} == {
        "telemetry": 40, "failures": 2, "repairs": 2,
    }  # fmt: skip
    assert (len(filled.read("telemetry")), filled.read("failures")["component"].tolist()) == (0, ["q"])
    assert filled.version() == version
    assert vacuum_store(filled, expiry) == {}


def test_of_standing_facts_only_values_that_were_replaced_long_ago_and_who_left_are_removed(
    store: Store, load: Load, batch: Make, device: Make
) -> None:
    later = {"available_at": "2024-02-01T00:00:00Z"}
    gone = {"retired_at": "2024-02-02T00:00:00Z", "available_at": "2024-02-02T00:00:00Z"}
    load(batch("devices", device("a", lot="old"), device("b"), device("c")))
    load(batch("devices", device("a", lot="new", **later), device("c", **gone)))
    vacuum_store(store, Expiry(NOW, {"devices": KEPT}))
    assert store.read("devices")[["device_id", "lot"]].fillna("").to_numpy().tolist() == [["a", "new"], ["b", ""]]


def test_a_withdrawn_fact_leaves_no_trace_and_does_not_come_back(filled: Store, load: Load, batch: Make) -> None:
    key = {"device_id": SECRET, "event_time": "2024-02-01T00:00:00Z", "component": "p"}
    statement = batch("failures", key | {"available_at": "2024-02-01T00:00:00Z"})
    load(batch("failures", key | {"withdrawn": True, "withdrawal_reason": f"was not {SECRET}"}))
    vacuum_store(filled, Expiry(NOW))
    left = [name for name in found_in(Path(filled.address), SECRET) if name.startswith(("failures", "_withdrawals"))]
    assert left == []
    assert load(statement).table("failures").kept == 0
    assert len(filled.read("failures", device_ids=[SECRET])) == 0


def test_unpublished_and_merged_files_are_removed_and_older_versions_end(
    filled: Store, load: Load, batch: Make, reading: Make
) -> None:
    for hour in range(20, 24):
        load(batch("telemetry", reading(hour, volt=1.0)))
    with suppress(ZeroDivisionError), filled.writing() as writer:
        row = filled.read("telemetry").tail(1).assign(device_id=f"never {SECRET}")
        writer.append("telemetry", row)
        raise ZeroDivisionError
    rows = filled.read("telemetry")
    assert found_in(Path(filled.address, "telemetry"), f"never {SECRET}")
    vacuum_store(filled, Expiry(NOW))
    assert found_in(Path(filled.address), f"never {SECRET}") == []
    pd.testing.assert_frame_equal(filled.read("telemetry"), rows)
    with pytest.raises(StoreError, match="no version 1"):
        filled.read("telemetry", version=1)


def test_a_store_goes_on_after_a_vacuum(filled: Store, load: Load, batch: Make, reading: Make) -> None:
    version = filled.version()
    vacuum_store(filled, Expiry(NOW, entity_id=SECRET))
    again = load(batch("telemetry", reading(1, volt=1.0), reading(22, volt=2.0)))
    assert (again.table("telemetry").duplicate, again.table("telemetry").kept) == (1, 1)
    assert filled.version() == version + 1
    assert len(filled.read("telemetry")) == 21
    vacuum_store(filled, Expiry(NOW))
    assert vacuum_store(filled, Expiry(NOW)) == {}
    assert find_damage(filled) == {}


def test_a_vacuum_waits_for_an_import_and_readers_go_on(filled: Store) -> None:
    done = threading.Event()

    def vacuum() -> None:
        vacuum_store(filled, Expiry(NOW, entity_id=SECRET))
        done.set()

    with filled.writing():
        thread = threading.Thread(target=vacuum, daemon=True)
        thread.start()
        assert not done.wait(0.3)
        assert len(filled.read("telemetry")) == 40
    while thread.is_alive():
        assert len(filled.read("telemetry")) in {20, 40}
    assert done.is_set()


CHILD = """
import os, signal, sys
from pathlib import Path
import pandas as pd
from aftercast.data.store import Expiry, Store, vacuum_store
from aftercast.operations.database.engine import open_database

folder, last_call, delay_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
store = Store(str(folder / "store"), open_database("sqlite:///records.db", folder), 4)
calls = 0

def count(frame, event, _):
    global calls
    if event != "call" or "aftercast" not in frame.f_code.co_filename:
        return
    calls += 1
    if calls == last_call and delay_s == 0.0:
        os.kill(os.getpid(), signal.SIGKILL)
    if calls == last_call:
        signal.setitimer(signal.ITIMER_REAL, delay_s)

sys.setprofile(count)
keep = {"failures": pd.Timedelta(days=300)}
vacuum_store(store, Expiry(pd.Timestamp("2025-01-01", tz="UTC"), keep, entity_id=sys.argv[4]))
sys.setprofile(None)
print(calls)
"""


def run(folder: Path, last_call: int = 0, delay_s: float = 0.0) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", CHILD, str(folder), str(last_call), str(delay_s), SECRET]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_a_vacuum_killed_at_any_moment_loses_nothing_and_is_finished_by_the_next(
    kills: int, filled: Store, tmp_path: Path, make_store: Callable[[str], Store], load: Load
) -> None:
    before = {name: filled.read(name) for name in filled.tables()}
    shrunk(filled)
    shutil.copytree(tmp_path / "fresh", tmp_path / "clean")
    undisturbed = run(tmp_path / "clean")
    assert undisturbed.returncode == 0, undisturbed.stderr
    calls, chance = int(undisturbed.stdout), random.Random(3)
    clean = make_store("clean")
    after = {name: clean.read(name) for name in clean.tables()}
    for kill in range(kills):
        folder = tmp_path / f"killed-{kill}"
        shutil.copytree(tmp_path / "fresh", folder)
        for _ in range(2):
            delay_s = chance.uniform(0.001, 0.02) if kill % 2 else 0.0
            ended = run(folder, 1 + int(calls * (kill + chance.random()) / kills), delay_s)
            assert ended.returncode in {-signal.SIGALRM, -signal.SIGKILL, 0}, ended.stderr
            store = make_store(folder.name)
            seen = {name: store.read(name) for name in store.tables()}
            assert _same(seen, before) or _same(seen, after)
            assert find_damage(store) == {}
        if kill % 3 == 0:  # an import comes between
            row = store.read("telemetry", device_ids=["d1"]).head(1)
            assert load(Batch("telemetry", row, "again"), into=store).table("telemetry").kept == 0
        store.database.dispose()
        assert run(folder).returncode == 0
        store = make_store(folder.name)
        assert _same({name: store.read(name) for name in store.tables()}, after)
        assert found_in(Path(store.address), SECRET) == []
        store.database.dispose()


def _same(found: dict[str, pd.DataFrame], expected: dict[str, pd.DataFrame]) -> bool:
    return found.keys() == expected.keys() and all(frame.equals(expected[name]) for name, frame in found.items())
