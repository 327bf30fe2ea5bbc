"""Anchoring writes down what is on the disk, and survives a database that is unavailable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from aftercast.operations.audit import AuditError, AuditLog, anchor_log, anchoring, read_chain, verify
from aftercast.operations.audit.chain_id import CHAIN_FILE
from aftercast.operations.database.audit_anchors import Anchor, newest_anchor, read_anchors
from aftercast.operations.database.engine import open_database
from aftercast.operations.errors import WorkspaceError

NEVER_S = 1_000.0
OFTEN_S = 0.01


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    """Return an empty log with small segments."""
    with AuditLog(tmp_path / "audit", segment_bytes=500) as opened:
        yield opened


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Return an operational database."""
    opened = open_database("sqlite:///records.db", tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def away(tmp_path: Path) -> Iterator[Engine]:
    """Return a database that cannot be opened."""
    opened = create_engine(f"sqlite:///{tmp_path / 'no-folder' / 'records.db'}")
    yield opened
    opened.dispose()


def chain_of(log: AuditLog) -> str:
    chain = read_chain(log.folder)
    assert chain
    return chain


def anchored(log: AuditLog, engine: Engine) -> list[Anchor]:
    return list(read_anchors(engine, chain_of(log), 100))


def newest(log: AuditLog, engine: Engine) -> int:
    return newest_anchor(engine, chain_of(log))


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "waited for 60 seconds"
        time.sleep(0.005)


def test_anchoring_takes_the_newest_entry_and_keeps_earlier_anchors(log: AuditLog, engine: Engine) -> None:
    told = []
    for _ in range(3):
        log.append("prediction", {"filling": "x" * 400})
        told.append(log.append("prediction", {}))
        assert anchor_log(log, engine) == told[-1]
    anchors = anchored(log, engine)
    assert [(anchor.seq, anchor.hash) for anchor in anchors] == [(one.seq, one.hash) for one in told]
    assert anchors[0].anchored_at.tzname() == "UTC"
    assert verify(log.folder, engine).anchored == 6


def test_anchoring_twice_writes_one_anchor(log: AuditLog, engine: Engine) -> None:
    log.append("prediction", {})
    anchor_log(log, engine)
    anchor_log(log, engine)
    assert len(anchored(log, engine)) == 1


def test_an_empty_log_has_no_anchor(log: AuditLog, engine: Engine) -> None:
    assert anchor_log(log, engine).seq == 0
    assert newest(log, engine) == 0


def test_anchoring_includes_what_another_process_wrote(log: AuditLog, engine: Engine) -> None:
    log.append("prediction", {})
    with AuditLog(log.folder, segment_bytes=500) as other:
        other.append("prediction", {})
    assert anchor_log(log, engine).seq == newest(log, engine) == 2


def test_a_database_that_is_away_is_an_error_without_its_address(log: AuditLog, away: Engine) -> None:
    log.append("prediction", {})
    with pytest.raises(AuditError, match="cannot be anchored") as caught:
        anchor_log(log, away)
    assert "records.db" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"0" * 31, b"F" * 32, b"0" * 33, b"\xff" * 32])
def test_a_file_that_holds_no_id_is_an_error_and_entries_are_still_written(
    log: AuditLog, engine: Engine, content: bytes
) -> None:
    log.append("prediction", {})
    (log.folder / CHAIN_FILE).write_bytes(content)
    with pytest.raises(AuditError, match="32 hexadecimal digits"):
        anchor_log(log, engine)
    assert log.append("prediction", {}).seq == 2


def test_a_file_of_the_id_that_cannot_be_read_is_an_error(log: AuditLog, engine: Engine) -> None:
    log.append("prediction", {})
    (log.folder / CHAIN_FILE).unlink()
    (log.folder / CHAIN_FILE).mkdir()
    with pytest.raises(AuditError, match="cannot be read"):
        anchor_log(log, engine)


def test_it_anchors_every_so_often(log: AuditLog, engine: Engine) -> None:
    with anchoring(log, lambda: engine, OFTEN_S):
        for seq in (1, 2):
            log.append("prediction", {})
            wait_until(lambda seq=seq: newest(log, engine) == seq)  # type: ignore[misc]


def test_it_anchors_at_the_end(log: AuditLog, engine: Engine) -> None:
    with anchoring(log, lambda: engine, NEVER_S) as anchorer:
        log.append("prediction", {})
        assert newest(log, engine) == 0
    assert newest(log, engine) == 1
    assert not anchorer.is_alive()


def test_it_anchors_also_when_its_block_fails(log: AuditLog, engine: Engine) -> None:
    log.append("prediction", {})
    with pytest.raises(KeyError), anchoring(log, lambda: engine, NEVER_S):
        raise KeyError
    assert newest(log, engine) == 1


def test_it_writes_nothing_while_nothing_happens(log: AuditLog, engine: Engine) -> None:
    asked = []

    def getter() -> Engine:
        asked.append(1)
        return engine

    log.append("prediction", {})
    with anchoring(log, getter, OFTEN_S):
        wait_until(lambda: newest(log, engine) == 1)
        time.sleep(10 * OFTEN_S)
    assert len(asked) == 1


@pytest.mark.parametrize("kind", [WorkspaceError, RuntimeError])
def test_an_outage_is_warned_of_once_and_outlived(
    log: AuditLog, engine: Engine, away: Engine, caplog: pytest.LogCaptureFixture, kind: type[Exception]
) -> None:
    """The database cannot be opened, then opens and takes nothing, then is back."""
    tries = []

    def getter() -> Engine:
        tries.append(1)
        if len(tries) < 3:
            raise kind("The database cannot be reached.")
        return away if len(tries) < 6 else engine

    log.append("prediction", {})
    with caplog.at_level(logging.WARNING), anchoring(log, getter, OFTEN_S):
        wait_until(lambda: newest(log, engine) == 1)
    said = [record.getMessage() for record in caplog.records]
    assert ["not anchored" in said[0], "anchored again" in said[1], len(said)] == [True, True, 2]
