"""Logs that are anchored in one database do not touch each other, and one that takes another's place is found."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pandas as pd
import pytest
from sqlalchemy import Engine

from aftercast.operations.audit import AuditError, AuditLog, Verification, anchor_log, read_chain, verify
from aftercast.operations.audit.chain_id import CHAIN_FILE, begin_chain, place_of
from aftercast.operations.database.audit_anchors import (
    chains_at,
    newest_anchor,
    read_anchors,
    write_anchor,
    write_chain,
)
from aftercast.operations.database.engine import open_database

PROCESSES = 6
ROUNDS = 50
APPENDER = """
import sys
from pathlib import Path
from aftercast.operations.audit import AuditLog, read_chain
print("ready", flush=True)
for line in sys.stdin:
    with AuditLog(Path(line.strip()), segment_bytes=1_000_000) as log:
        log.append("prediction", {})
        print(read_chain(log.folder), flush=True)
"""
NO_ROOM = """
import os, resource, sys
from pathlib import Path
from aftercast.operations.audit import AuditError, AuditLog
resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
log = AuditLog(Path(sys.argv[1]), segment_bytes=1_000_000)
try:
    log.append("prediction", {})
except AuditError:
    print(os.listdir(log.folder))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(log.append("prediction", {}).seq)
"""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Return an operational database that several workspaces name."""
    if request.param == "postgresql":
        yield request.getfixturevalue("on_server")
        return
    opened = open_database("sqlite:///records.db", tmp_path)
    yield opened
    opened.dispose()


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Return where the log of the first host is."""
    return tmp_path / "first" / "audit"


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Return where the log of the second host is."""
    return tmp_path / "second" / "audit"


@pytest.fixture
def both(engine: Engine, first: Path, second: Path) -> tuple[Path, Path]:
    """Return two logs whose entries have the same numbers, anchored in turn; the first is longer."""
    for count in (2, 1, 3):
        write(first, engine, count)
        write(second, engine, 1)
    return first, second


def write(folder: Path, engine: Engine, count: int = 1) -> None:
    """Append entries to a log, the last of which is anchored."""
    with AuditLog(folder, segment_bytes=1_000_000) as log:
        for _ in range(count):
            log.append("prediction", {"of": folder.parent.name})
        anchor_log(log, engine)


def id_of(folder: Path) -> str:
    chain = read_chain(folder)
    assert chain is not None
    return chain


def kinds(found: Verification) -> list[str]:
    return [finding.kind for finding in found.findings]


def test_two_logs_in_one_database_are_both_whole(engine: Engine, both: tuple[Path, Path]) -> None:
    for folder, entries in zip(both, (6, 3), strict=True):
        found = verify(folder, engine)
        assert found.findings == ()
        assert (found.entries, found.anchored) == (entries, entries)
        assert found.chain == id_of(folder)
    assert [anchor.seq for anchor in read_anchors(engine, id_of(both[0]), 9)] == [2, 3, 6]
    assert [anchor.seq for anchor in read_anchors(engine, id_of(both[1]), 9)] == [1, 2, 3]


@pytest.mark.parametrize("which", [0, 1])
def test_a_cut_of_either_log_is_found_and_the_other_stays_whole(
    engine: Engine, both: tuple[Path, Path], which: int
) -> None:
    segment = both[which] / "000001.jsonl"
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:-1]))
    assert kinds(verify(both[which], engine)) == ["cut"]
    assert verify(both[1 - which], engine).whole


@pytest.mark.parametrize("which", [0, 1])
def test_either_log_written_anew_is_found_and_the_other_stays_whole(
    engine: Engine, both: tuple[Path, Path], which: int, tmp_path: Path
) -> None:
    with AuditLog(tmp_path / "forged", segment_bytes=1_000_000) as forged:
        for _ in range(9):
            forged.append("prediction", {"forged": True})
    shutil.copy(tmp_path / "forged" / "000001.jsonl", both[which] / "000001.jsonl")
    assert kinds(verify(both[which], engine)) == ["altered"]
    assert verify(both[1 - which], engine).whole


def test_a_log_removed_and_begun_anew_at_its_place_is_found(engine: Engine, both: tuple[Path, Path]) -> None:
    folder, other = both
    gone = id_of(folder)
    shutil.rmtree(folder)
    for begun in (False, True):
        if begun:
            write(folder, engine, 8)
            assert id_of(folder) != gone
        (finding,) = verify(folder, engine).findings
        assert (finding.kind, finding.seq, finding.segment, finding.line) == ("cut", 0, "", 0)
        since = chains_at(engine, place_of(folder))[gone]
        assert f"{gone} was anchored here since {since:%Y-%m-%dT%H:%M:%SZ}" in finding.sentence
    assert verify(other, engine).whole


def test_a_log_removed_under_a_running_process_is_found(engine: Engine, first: Path) -> None:
    with AuditLog(first, segment_bytes=1_000_000) as log:
        log.append("prediction", {})
        anchor_log(log, engine)
        for path in first.iterdir():
            path.unlink()
        log.append("prediction", {})
        anchor_log(log, engine)
    found = verify(first, engine)
    assert (kinds(found), found.anchored) == (["cut"], 1)


def test_a_log_whose_id_alone_is_left_is_cut(engine: Engine, first: Path) -> None:
    write(first, engine, 3)
    chain = id_of(first)
    (first / "000001.jsonl").unlink()
    assert kinds(verify(first, engine)) == ["cut"]
    write(first, engine, 4)
    assert (id_of(first), kinds(verify(first, engine))) == (chain, ["altered"])


def test_an_id_that_is_that_of_another_log_is_found(engine: Engine, both: tuple[Path, Path]) -> None:
    folder, other = both
    chain = (folder / CHAIN_FILE).read_text()
    shutil.copy(other / CHAIN_FILE, folder / CHAIN_FILE)
    gone, disagreement = verify(folder, engine).findings
    assert (gone.kind, disagreement.kind) == ("cut", "altered")
    assert chain.strip() in gone.sentence
    (folder / CHAIN_FILE).write_text(chain)
    assert verify(folder, engine).whole


@pytest.mark.parametrize("content", [None, b"", b"0" * 31, b"F" * 32, b"0" * 33, b"\xff" * 32])
def test_an_id_that_is_missing_or_none_is_found_beside_the_chain_that_was_anchored(
    engine: Engine, first: Path, content: bytes | None
) -> None:
    write(first, engine, 3)
    chain = id_of(first)
    (first / CHAIN_FILE).unlink()
    if content is not None:
        (first / CHAIN_FILE).write_bytes(content)
    found = verify(first, engine)
    assert (kinds(found), found.chain) == (["altered", "cut"], None)
    assert (found.findings[0].segment, found.findings[0].line) == ("chain", 1)
    assert f"{chain} was anchored here" in found.findings[1].sentence
    assert kinds(verify(first, None)) == ["altered"]
    with pytest.raises(AuditError, match="id of the audit log"):
        write(first, engine)


def test_a_file_of_the_id_that_cannot_be_read_is_a_finding(engine: Engine, first: Path) -> None:
    write(first, engine)
    (first / CHAIN_FILE).unlink()
    (first / CHAIN_FILE).mkdir()
    assert "cannot be read" in verify(first, engine).findings[0].sentence


def test_a_host_that_has_another_name_goes_on_with_its_chain(
    engine: Engine, first: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a container does that was made anew around the same volume."""
    for name in ("0a1b2c3d", "4e5f6a7b"):
        monkeypatch.setattr(platform, "node", lambda name=name: name)
        write(first, engine)
        assert verify(first, engine).whole
    (known,) = chains_at(engine, f"0a1b2c3d:{first}")
    assert known == id_of(first)
    assert newest_anchor(engine, known) == 2


def test_a_log_that_was_moved_goes_on_with_its_chain(engine: Engine, first: Path, second: Path) -> None:
    write(first, engine)
    first.parent.rename(second.parent)
    write(second, engine)
    found = verify(second, engine)
    assert (found.whole, found.anchored) == (True, 2)


def test_the_place_of_a_log_is_the_same_however_its_folder_is_named(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.mkdir(parents=True)
    (tmp_path / "link").symlink_to(first.parent)
    monkeypatch.chdir(tmp_path)
    assert place_of(first) == place_of(tmp_path / "link" / "audit") == place_of(Path("first") / "audit")
    assert place_of(first) == f"{platform.node()}:{first}"


def test_a_log_that_a_link_puts_in_the_place_of_another_is_found(engine: Engine, first: Path, tmp_path: Path) -> None:
    write(first, engine)
    first.rename(tmp_path / "hidden")
    (tmp_path / "forged").mkdir()
    first.symlink_to(tmp_path / "forged")
    write(first, engine, 3)
    assert kinds(verify(first, engine)) == ["cut"]


@pytest.mark.slow
def test_processes_that_begin_a_log_at_once_have_one_chain(tmp_path: Path) -> None:
    command = [sys.executable, "-c", APPENDER]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    folders = [tmp_path / str(number) / "audit" for number in range(ROUNDS)]
    words = "".join(f"{folder}\n" for folder in folders)
    with ThreadPoolExecutor(PROCESSES) as pool:
        told = list(pool.map(lambda process: process.communicate(words, timeout=120)[0].split(), running))

    for folder, *chains in zip(folders, *told, strict=True):
        assert set(chains) == {id_of(folder)}
        assert re.fullmatch("[0-9a-f]{32}", chains[0])
        assert verify(folder, None).entries == PROCESSES
        assert sorted(path.name for path in folder.iterdir()) == ["000001.jsonl", CHAIN_FILE, "lock"]
    assert len({*told[0]}) == ROUNDS


def test_ids_made_at_once_without_the_lock_are_one(tmp_path: Path) -> None:
    """As where somebody removes the lock's file, and two processes hold two locks."""
    together = Barrier(PROCESSES)

    def begin(folder: Path) -> str:
        together.wait()
        begin_chain(folder)
        return id_of(folder)

    with ThreadPoolExecutor(PROCESSES) as pool:
        for number in range(ROUNDS):
            folder = tmp_path / str(number)
            folder.mkdir()
            assert len(set(pool.map(begin, [folder] * PROCESSES))) == 1
            assert [path.name for path in folder.iterdir()] == [CHAIN_FILE]


def test_where_the_id_has_no_room_no_entry_is_written_and_the_next_append_makes_it(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    shown = subprocess.run([sys.executable, "-c", NO_ROOM, str(folder)], check=True, capture_output=True, text=True)
    assert shown.stdout == "['lock']\n1\n"
    assert len(id_of(folder)) == 32


def test_an_id_is_made_with_the_first_entry_and_never_later(tmp_path: Path) -> None:
    assert read_chain(tmp_path / "none") is None
    with AuditLog(tmp_path, segment_bytes=10) as log:
        assert read_chain(tmp_path) is None
        log.append("prediction", {})
        assert len(id_of(tmp_path)) == 32
        (tmp_path / CHAIN_FILE).unlink()
        log.append("prediction", {})  # begins the second segment
    with AuditLog(tmp_path, segment_bytes=10) as log:
        log.append("prediction", {})
    assert not (tmp_path / CHAIN_FILE).exists()


def test_a_chain_recorded_at_once_by_several_is_recorded_once(engine: Engine) -> None:
    together = Barrier(PROCESSES)

    def record(number: int) -> None:
        together.wait()
        write_chain(engine, "a", "here" if number % 2 == 0 else "there")
        write_anchor(engine, "a", number + 1, "0" * 64)

    before = pd.Timestamp.now("UTC")
    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(record, range(PROCESSES)))
    ((known, begun_at),) = (chains_at(engine, "here") | chains_at(engine, "there")).items()
    assert (known, begun_at >= before) == ("a", True)
    assert len(list(read_anchors(engine, "a", 99))) == PROCESSES
