"""The audit log keeps one chain, whoever appends and however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from aftercast.operations.audit import AuditError, AuditLog, Verification, newest_entries, verify
from aftercast.operations.audit.chain_id import begin_chain
from aftercast.operations.audit.segments import lines_backwards, lines_forwards, segment_numbers

LARGE = 1_000_000

APPENDER = """
import sys
from pathlib import Path
from aftercast.operations.audit.log import AuditLog
folder, count, name = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with AuditLog(folder, segment_bytes=20_000) as log:
    for number in range(count):
        position = log.append("prediction", {"who": name, "number": number, "filling": "x" * 200})
        print(position.seq, flush=True)
"""

SHORT_DISK = """
import resource, sys
from pathlib import Path
from aftercast.operations.audit.lines import AuditError
from aftercast.operations.audit.log import AuditLog
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
log = AuditLog(Path(sys.argv[1]), segment_bytes=1_000_000)
try:
    for _ in range(100):
        log.append("prediction", {"filling": "x" * 300})
except AuditError as error:
    print(error.message)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(log.append("prediction", {"after": True}).seq)
"""

HOLDER = """
import sys, time
from pathlib import Path
from aftercast.operations.audit.lock import SharedLock
SharedLock(Path(sys.argv[1])).take(0)
print("held", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the log of a test is."""
    return tmp_path / "audit"


@pytest.fixture
def log(folder: Path) -> Iterator[AuditLog]:
    """Return a log whose first segment never fills."""
    with AuditLog(folder, segment_bytes=LARGE) as opened:
        yield opened


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)


def unbroken(folder: Path, entries: int) -> Verification:
    found = verify(folder, None)
    assert (found.findings, found.entries, found.head.seq) == ((), entries, entries)
    return found


def tear(folder: Path, torn: bytes) -> None:
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(torn)


def test_an_entry_is_one_line_of_the_documented_form(log: AuditLog, folder: Path) -> None:
    position = log.append("key.revoked", {"key_id": "1a2b"})
    line = (folder / "000001.jsonl").read_bytes()
    parsed = orjson.loads(line)
    assert list(parsed) == ["entry", "hash"]
    assert list(parsed["entry"]) == ["seq", "time", "event", "previous", "content"]
    assert parsed["entry"] | {"time": ""} == {
        "seq": 1,
        "time": "",
        "event": "key.revoked",
        "previous": "0" * 64,
        "content": {"key_id": "1a2b"},
    }
    assert parsed["entry"]["time"].endswith("Z")
    assert (position.seq, position.hash) == (1, parsed["hash"])


def test_content_that_is_serialised_already_is_written_as_it_is(log: AuditLog, folder: Path) -> None:
    log.append("prediction", b'{"probability": 0.10}')
    assert b'"content":{"probability": 0.10}}' in (folder / "000001.jsonl").read_bytes()


@pytest.mark.parametrize("content", [b"[]", b'{"a":\n1}', b"", {"a": object()}])
def test_what_is_no_json_object_on_one_line_is_refused(log: AuditLog, content: bytes) -> None:
    with pytest.raises(AuditError, match="content"):
        log.append("prediction", content)
    assert log.position().seq == 0


def test_a_log_that_is_opened_again_goes_on(folder: Path) -> None:
    for number in range(1, 4):
        with AuditLog(folder, segment_bytes=LARGE) as log:
            assert log.append("prediction", {}).seq == number
    unbroken(folder, 3)


def test_a_closed_log_opens_again_by_itself(log: AuditLog, folder: Path) -> None:
    log.append("prediction", {})
    log.close()
    log.append("prediction", {})
    unbroken(folder, 2)


def test_the_chain_goes_on_in_the_next_segment(folder: Path) -> None:
    with AuditLog(folder, segment_bytes=1_000) as log:
        for _ in range(20):
            log.append("prediction", {"filling": "x" * 100})
    assert unbroken(folder, 20).segments == len(segment_numbers(folder)) > 3
    sizes = [path.stat().st_size for path in sorted(folder.glob("*.jsonl"))]
    assert all(1_000 < size < 1_500 for size in sizes[:-1])


def test_two_logs_of_one_folder_take_turns_also_across_segments(folder: Path) -> None:
    with AuditLog(folder, segment_bytes=1_000) as one, AuditLog(folder, segment_bytes=700) as other:
        for _ in range(15):
            one.append("prediction", {"filling": "x" * 100})
            other.append("prediction", {"filling": "y" * 50})
    unbroken(folder, 30)


def test_threads_share_the_chain(log: AuditLog, folder: Path) -> None:
    threads = [threading.Thread(target=lambda: [log.append("prediction", {}) for _ in range(200)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    unbroken(folder, 1_000)


def test_four_processes_share_the_chain(folder: Path) -> None:
    processes = [start(APPENDER, str(folder), "500", name) for name in "abcd"]
    told = [int(seq) for process in processes for seq in process.communicate()[0].split()]
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(told) == list(range(1, 2_001))
    assert unbroken(folder, 2_000).segments > 10


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_appender_is_killed(folder: Path) -> None:
    acknowledged = 0
    for heard in (1, 7, 20, 33, 54, 88):
        process = start(APPENDER, str(folder), "1000000", "a")
        assert process.stdout is not None
        first = "".join(process.stdout.readline() for _ in range(heard))
        os.kill(process.pid, signal.SIGKILL)
        told = (first + process.communicate()[0]).split("\n")[:-1]  # the last line may be torn
        assert int(told[0]) > acknowledged
        acknowledged = int(told[-1])
        found = verify(folder, None)
        assert found.findings == ()
        assert found.entries >= acknowledged


def test_a_forked_child_does_not_share_its_parents_lock(log: AuditLog, folder: Path) -> None:
    log.append("prediction", {})
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            for _ in range(300):
                log.append("prediction", {})
            os._exit(0)
        children.append(child)
    for _ in range(300):
        log.append("prediction", {})
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    unbroken(folder, 1_201)


def test_a_torn_end_is_set_aside_and_told(log: AuditLog, folder: Path) -> None:
    log.append("prediction", {})
    tear(folder, b'{"entry":{"seq":2,"ti')
    assert log.append("prediction", {}).seq == 3
    assert (folder / "torn-2.bin").read_bytes() == b'{"entry":{"seq":2,"ti'
    _, told, _ = newest_entries(folder, 3)
    assert (told["event"], told["content"]["bytes"], told["content"]["file"]) == ("audit.torn", 21, "torn-2.bin")
    unbroken(folder, 3)


def test_a_torn_end_longer_than_a_read_is_set_aside_whole(log: AuditLog, folder: Path) -> None:
    log.append("prediction", {})
    tear(folder, b"x" * 200_000)
    log.append("prediction", {})
    assert (folder / "torn-2.bin").stat().st_size == 200_000
    unbroken(folder, 3)


def test_a_torn_first_entry_is_set_aside(folder: Path) -> None:
    folder.mkdir()
    begin_chain(folder)
    tear(folder, b'{"entry')
    with AuditLog(folder, segment_bytes=LARGE) as log:
        assert log.append("prediction", {}).seq == 2
    unbroken(folder, 2)


def test_a_torn_end_is_told_also_when_the_process_ended_between_setting_it_aside_and_telling(folder: Path) -> None:
    with AuditLog(folder, segment_bytes=LARGE) as log:
        log.append("prediction", {})
    (folder / "torn-2.bin").write_bytes(b"abc")
    with AuditLog(folder, segment_bytes=LARGE) as log:
        assert log.append("prediction", {}).seq == 3
    assert [entry["event"] for entry in newest_entries(folder, 2)] == ["prediction", "audit.torn"]


def test_while_the_torn_end_cannot_be_set_aside_nothing_is_appended_after_it(log: AuditLog, folder: Path) -> None:
    log.append("prediction", {})
    tear(folder, b"torn")
    (folder / "torn-2.bin").mkdir()
    for _ in range(2):
        with pytest.raises(AuditError, match="cannot be written"):
            log.append("prediction", {})
    (folder / "torn-2.bin").rmdir()
    log.append("prediction", {})
    unbroken(folder, 3)


def test_a_full_disk_is_an_error_and_leaves_the_chain_whole(folder: Path) -> None:
    """A limit on the size of files gives the same short write as a full disk."""
    said = start(SHORT_DISK, str(folder)).communicate()[0].splitlines()
    assert "cannot be written" in said[0]
    assert "of" in said[0]
    unbroken(folder, int(said[1]))
    assert list(folder.glob("torn-*")) == []


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuditError, match="cannot be written"):
        AuditLog(tmp_path / "file" / "audit", segment_bytes=LARGE)


def test_an_empty_newest_segment_continues_the_chain(folder: Path) -> None:
    with AuditLog(folder, segment_bytes=LARGE) as log:
        log.append("prediction", {})
    (folder / "000002.jsonl").touch()
    with AuditLog(folder, segment_bytes=LARGE) as log:
        log.append("prediction", {})
    assert unbroken(folder, 2).segments == 2
    assert (folder / "000002.jsonl").stat().st_size > 0


def test_the_chain_continues_after_a_damaged_line_which_is_one_finding(folder: Path) -> None:
    with AuditLog(folder, segment_bytes=LARGE) as log:
        for _ in range(3):
            log.append("prediction", {})
    segment = folder / "000001.jsonl"
    segment.write_bytes(segment.read_bytes()[:-10] + b"?" * 9 + b"\n")
    with AuditLog(folder, segment_bytes=LARGE) as log:
        assert log.append("prediction", {}).seq == 4
    (finding,) = verify(folder, None).findings
    assert (finding.kind, finding.seq, finding.line) == ("altered", 3, 3)


def test_entries_are_never_written_to_a_log_that_was_removed(log: AuditLog, folder: Path) -> None:
    log.append("prediction", {})
    for path in folder.iterdir():
        path.unlink()
    assert log.append("prediction", {}).seq == 1
    unbroken(folder, 1)


def test_removing_the_lock_file_does_not_split_the_chain(folder: Path) -> None:
    with AuditLog(folder, segment_bytes=LARGE) as one, AuditLog(folder, segment_bytes=LARGE) as other:
        one.append("prediction", {})
        other.append("prediction", {})
        (folder / "lock").unlink()
        one.append("prediction", {})
        stat = (folder / "lock").stat()
        other.append("prediction", {})
        assert (folder / "lock").stat().st_ino == stat.st_ino
    unbroken(folder, 4)


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a process that holds the lock of the log until it is killed, as a stopped one does."""
    folder.mkdir()
    process = start(HOLDER, str(folder))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.usefixtures("holder")
def test_a_lock_that_is_never_released_is_an_error_that_says_how_to_find_who_holds_it(folder: Path) -> None:
    with AuditLog(folder, segment_bytes=LARGE, lock_wait_s=0.01) as log:
        with pytest.raises(AuditError, match="locked by another process") as caught:
            log.append("prediction", {})
        assert f"fuser {folder / 'lock'}" in caught.value.hint
    with pytest.raises(AuditError, match="locked by another process"):
        verify(folder, None)


def test_only_the_first_append_waits_and_the_log_goes_on_when_the_lock_is_free(
    folder: Path, holder: subprocess.Popen[str]
) -> None:
    with AuditLog(folder, segment_bytes=LARGE, lock_wait_s=0.01) as log:
        with pytest.raises(AuditError):
            log.append("prediction", {})
        log.lock_wait_s = 1e6  # whoever still waited so long would not come back
        for _ in range(3):
            with pytest.raises(AuditError):
                log.append("prediction", {})
        holder.kill()
        holder.wait()
        assert log.append("prediction", {}).seq == 1
        assert log.append("prediction", {}).seq == 2
    unbroken(folder, 2)


def test_a_thread_that_holds_the_log_stops_no_other_for_ever(
    log: AuditLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where its write does not come back: the disk hangs."""
    inside, free = threading.Event(), threading.Event()

    whole_write = os.write

    def hang(descriptor: int, line: bytes) -> int:
        if b'"hangs"' in line:
            inside.set()
            free.wait()
        return whole_write(descriptor, line)

    monkeypatch.setattr(os, "write", hang)
    log.lock_wait_s = 0.01
    thread = threading.Thread(target=log.append, args=("prediction", {"hangs": True}))
    thread.start()
    inside.wait()
    with pytest.raises(AuditError, match="locked"):
        log.append("prediction", {})
    free.set()
    thread.join()
    assert log.append("prediction", {}).seq == 2
    unbroken(folder, 2)


def test_files_are_not_for_everyone_to_read(log: AuditLog, folder: Path) -> None:
    log.append("prediction", {})
    assert sorted(path.name for path in folder.iterdir()) == ["000001.jsonl", "chain", "lock"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {(folder / "lock").stat().st_mode & 0o770}


@pytest.mark.parametrize("length", [1, 50, 65_000, 65_300, 65_536, 200_000])
def test_reading_backwards_gives_what_reading_forwards_does(folder: Path, length: int) -> None:
    with AuditLog(folder, segment_bytes=150_000) as log:
        for number in range(9):
            log.append("prediction", {"filling": "x" * (length + number)})
    tear(folder, b"")
    assert list(lines_backwards(folder)) == list(lines_forwards(folder))[::-1]


def test_verifying_while_others_append_finds_nothing(folder: Path) -> None:
    process = start(APPENDER, str(folder), "1500", "a")
    assert process.stdout is not None
    process.stdout.readline()
    found = [verify(folder, None) for _ in range(20)]
    process.communicate()
    assert all(one.whole and one.torn_bytes == 0 for one in found)
    assert found[0].entries <= found[-1].entries
