"""A store at an address that has no file lock: the second writer waits or is refused, and nobody's rows are lost."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from tests.data.test_store import telemetry

from aftercast.data.contract import TABLES
from aftercast.data.store import Store, find_damage, locks
from aftercast.data.store.reading import history_of
from aftercast.operations.database.engine import open_database
from aftercast.operations.database.leases import end_lease, take_lease
from aftercast.operations.errors import StoreError


@pytest.fixture
def remote(tmp_path: Path) -> Store:
    (tmp_path / "objects").mkdir()
    return Store(f"file://{tmp_path}/objects", open_database("sqlite:///records.db", tmp_path), 4)


def test_a_second_writer_waits_and_destroys_nothing(remote: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "ASK_EVERY_S", 0.01)
    entered = threading.Event()

    def fail() -> None:
        with suppress(ZeroDivisionError), remote.writing():
            entered.set()
            raise ZeroDivisionError

    with remote.writing() as writer:
        writer.append("telemetry", telemetry("a", [1, 2], volt=1.0))
        second = threading.Thread(target=fail)
        second.start()
        assert not entered.wait(0.3)
        writer.append("telemetry", telemetry("a", [3], volt=1.0))
    second.join()
    assert entered.is_set()
    assert len(remote.read("telemetry")) == 3
    assert find_damage(remote) == {}


def test_a_second_writer_that_does_not_get_in_is_refused(remote: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LOCK_PATIENCE_S", 0.0)
    with remote.writing(), pytest.raises(StoreError, match="Another import has been writing"), remote.writing():
        pass


def test_a_writer_that_lost_its_lease_publishes_nothing(remote: Store) -> None:
    def lose() -> None:
        name = f"store:{remote.address}"
        with remote.writing() as writer:
            writer.append("telemetry", telemetry("a", [1], volt=1.0))
            end_lease(remote.database, name, _holder(remote, name))
            assert take_lease(remote.database, name, "another", timedelta(minutes=1))

    with pytest.raises(StoreError, match="took over the store"):
        lose()
    assert remote.version() == 0


def test_rows_that_another_program_took_away_are_noticed_before_anything_is_published(remote: Store) -> None:
    with remote.writing() as writer:
        writer.append("telemetry", telemetry("a", [1], volt=1.0))

    def lose() -> None:
        with remote.writing() as writer:
            writer.append("telemetry", telemetry("a", [2], volt=1.0))
            history_of(remote.address, TABLES["telemetry"]).rewind(writer.base.tables["telemetry"].delta)
            writer.append("telemetry", telemetry("a", [3], volt=1.0))

    with pytest.raises(StoreError, match="has 2 rows, not 3"):
        lose()
    assert remote.version() == 1
    assert len(remote.read("telemetry")) == 1


def test_the_lease_of_a_writer_that_died_ends(remote: Store) -> None:
    assert take_lease(remote.database, f"store:{remote.address}", "dead", timedelta(seconds=-1))
    with remote.writing() as writer:
        writer.append("telemetry", telemetry("a", [1], volt=1.0))
    assert remote.version() == 1


def _holder(store: Store, name: str) -> str:
    frame = pd.read_sql(f"SELECT holder FROM leases WHERE name = '{name}'", store.database)
    return str(frame["holder"].iloc[0])
