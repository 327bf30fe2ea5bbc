"""Whatever is done to a log is found, and the first line that does not fit is named."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from aftercast.operations.audit import AuditLog, Verification, verify
from aftercast.operations.audit.chain_id import CHAIN_FILE
from aftercast.operations.audit.lines import BEFORE_HASH, CLOSING, OPENING, read_link
from aftercast.operations.database.audit_anchors import read_anchors, write_anchor
from aftercast.operations.database.engine import open_database

ENTRIES = 14
ANCHORED = (4, 7, 8, 11, 14)
CHAIN, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
Lines = list[bytes]


@dataclass(frozen=True)
class Original:
    """A whole log with anchors: the lines of each segment, and the engine."""

    segments: tuple[tuple[bytes, ...], ...]
    engine: Engine

    @property
    def lines(self) -> Lines:
        return [line for segment in self.segments for line in segment]

    def place(self, seq: int) -> tuple[str, int]:
        """Segment and line of an entry."""
        for number, segment in enumerate(self.segments, start=1):
            if seq <= len(segment):
                return f"{number:06d}.jsonl", seq
            seq -= len(segment)
        raise AssertionError(seq)

    def check(self, lines: Lines, engine: Engine | None = None) -> Verification:
        """Verify the log with other lines, each segment as long as before and the last taking the rest."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / CHAIN_FILE).write_text(CHAIN)
            start = 0
            for number, segment in enumerate(self.segments, start=1):
                end = start + len(segment) if number < len(self.segments) else len(lines)
                (folder / f"{number:06d}.jsonl").write_bytes(b"".join(lines[start:end]))
                start = end
            return verify(folder, self.engine if engine is None else engine)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    """Return a log of fourteen entries in several segments with anchors, the newest entry among them."""
    base = tmp_path_factory.mktemp("original")
    engine = open_database("sqlite:///records.db", base)
    with AuditLog(base / "audit", segment_bytes=900) as log:
        for number in range(1, ENTRIES + 1):
            position = log.append("prediction", {"number": number, "filling": "x" * (number % 3) * 20})
            if number in ANCHORED:
                write_anchor(engine, CHAIN, position.seq, position.hash)
    paths = sorted((base / "audit").glob("*.jsonl"))
    segments = tuple(tuple(path.read_bytes().splitlines(keepends=True)) for path in paths)
    assert len(segments) == 4
    yield Original(segments, engine)
    engine.dispose()


def first(found: Verification) -> tuple[str, int, tuple[str, int]]:
    """Kind, entry and place of the first finding."""
    finding = found.findings[0]
    return finding.kind, finding.seq, (finding.segment, finding.line)


def only(found: Verification) -> tuple[str, int, tuple[str, int]]:
    """Kind, entry and place of the one finding."""
    assert len(found.findings) == 1
    return first(found)


def rehash(line: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Line with a changed entry and the hash it then has, as someone who knows the format would write it."""
    entry = change(line[len(OPENING) : line.rindex(BEFORE_HASH)])
    return OPENING + entry + BEFORE_HASH + hashlib.sha256(entry).hexdigest().encode() + CLOSING


def forge(entry: bytes) -> bytes:
    return entry.replace(b'"number"', b'"forged"')


def relink(line: bytes, previous: bytes) -> bytes:
    return rehash(line, lambda entry: re.sub(rb'"previous":"\w+"', b'"previous":"%b"' % previous, entry))


def rewrite_from(lines: Lines, seq: int) -> Lines:
    """Forge an entry and give all later ones the hashes that follow from it."""
    written = [*lines[: seq - 1], rehash(lines[seq - 1], forge)]
    for line in lines[seq:]:
        link = read_link(written[-1])
        assert link is not None
        written.append(relink(line, link.stored))
    return written


ENTRY = st.integers(1, ENTRIES)


def test_a_log_nobody_touched_is_whole(original: Original) -> None:
    found = original.check(original.lines)
    assert (found.findings, found.misfits, found.torn_bytes, found.whole) == ((), 0, 0, True)
    assert (found.entries, found.segments, found.head.seq, found.anchored) == (ENTRIES, 4, ENTRIES, ENTRIES)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_single_byte_that_changes_is_one_finding_at_its_line(original: Original, data: st.DataObject) -> None:
    seq, lines = data.draw(ENTRY), original.lines
    line = lines[seq - 1]
    at = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.sampled_from([*range(256), *b'\n\n\n{}"09f ']).filter(lambda byte: byte != line[at]))
    lines[seq - 1] = line[:at] + bytes([byte]) + line[at + 1 :]
    assert only(original.check(lines)) == ("altered", seq, original.place(seq))


@pytest.mark.parametrize("seq", range(1, ENTRIES + 1))
def test_an_altered_newline_is_one_finding_with_and_without_anchors(original: Original, seq: int) -> None:
    lines = original.lines
    lines[seq - 1] = lines[seq - 1][:-1] + b" "
    with_anchors, without = original.check(lines), original.check(lines, open_database("sqlite://", Path()))
    assert only(with_anchors)[1:] == only(without)[1:] == (seq, original.place(seq))


@pytest.mark.parametrize("seq", range(1, ENTRIES))
def test_a_removed_line_breaks_the_chain_at_the_next(original: Original, seq: int) -> None:
    """Each line is taken out of its own segment, as an editor does."""
    segments = [list(segment) for segment in original.segments]
    name, line = original.place(seq)
    del segments[int(name[:6]) - 1][line - 1]
    shorter = Original(tuple(tuple(segment) for segment in segments), original.engine)
    assert only(shorter.check(shorter.lines)) == ("broken", seq + 1, shorter.place(seq))


@settings(max_examples=60, deadline=None)
@given(first=ENTRY, last=ENTRY)
def test_removed_lines_are_one_finding(original: Original, first: int, last: int) -> None:
    first, last = min(first, last), max(first, last)
    lines = original.lines
    del lines[first - 1 : last]
    kind, seq, _ = only(original.check(lines))
    assert (kind, seq) == (("cut", first) if last == ENTRIES else ("broken", last + 1))


@settings(max_examples=60, deadline=None)
@given(one=ENTRY, other=ENTRY)
def test_two_swapped_lines_are_found_at_the_first_of_them(original: Original, one: int, other: int) -> None:
    one, other = min(one, other), max(one, other)
    lines = original.lines
    lines[one - 1], lines[other - 1] = lines[other - 1], lines[one - 1]
    found = original.check(lines)
    assert found.whole == (one == other)
    if one != other:
        assert first(found) == ("broken", other, original.place(one))
        assert found.misfits in {2, 3, 4}  # two where the swapped lines are the last


@settings(max_examples=60, deadline=None)
@given(seq=ENTRY, before=ENTRY)
def test_a_line_pasted_elsewhere_a_second_time_is_found_at_the_first_line_that_does_not_fit(
    original: Original, seq: int, before: int
) -> None:
    lines = original.lines
    lines.insert(before - 1, lines[seq - 1])
    misfit = before + 1 if before == seq else before  # pasted before itself, the second of the two does not fit
    end = "000004.jsonl", len(original.segments[-1]) + 1
    place = original.place(misfit) if misfit <= ENTRIES else end
    assert first(original.check(lines)) == ("broken", seq, place)


@pytest.mark.parametrize("seq", range(1, ENTRIES + 1))
def test_a_forged_line_that_fits_its_predecessor_is_found_at_the_true_one(original: Original, seq: int) -> None:
    lines = original.lines
    lines.insert(seq - 1, rehash(lines[seq - 1], forge))
    kinds = [(finding.kind, finding.seq) for finding in original.check(lines).findings]
    assert ("broken", seq) in kinds


@pytest.mark.parametrize("before", range(1, ENTRIES + 1))
def test_an_inserted_line_of_something_else_is_one_finding(original: Original, before: int) -> None:
    lines = original.lines
    lines.insert(before - 1, b"something else\n")
    found = original.check(lines)
    assert (first(found)[:2], found.misfits) == (("altered", before), 1)


@pytest.mark.parametrize("seq", range(1, ENTRIES))
def test_an_entry_rewritten_with_its_new_hash_breaks_the_chain_at_the_next(original: Original, seq: int) -> None:
    lines = original.lines
    lines[seq - 1] = rehash(lines[seq - 1], forge)
    findings = original.check(lines).findings
    place = original.place(seq + 1)
    assert ("broken", seq + 1, place) in [(one.kind, one.seq, (one.segment, one.line)) for one in findings]
    assert [one.seq for one in findings if one.kind == "altered"] == [seq] * (seq in ANCHORED)


@pytest.mark.parametrize("seq", range(1, ENTRIES + 1))
def test_a_chain_written_anew_is_found_at_the_first_anchor_after(original: Original, seq: int) -> None:
    anchor = next(anchored for anchored in ANCHORED if anchored >= seq)
    lines = rewrite_from(original.lines, seq)
    assert only(original.check(lines)) == ("altered", anchor, original.place(anchor))


def test_a_chain_written_anew_is_found_beside_a_damaged_line(original: Original) -> None:
    lines = rewrite_from(original.lines, 2)
    lines[9] = lines[9].replace(b'"number"', b'"NUMBER"')
    found = [(finding.kind, finding.seq) for finding in original.check(lines).findings]
    assert found == [("altered", 4), ("altered", 10)]


def test_damage_does_not_hide_what_the_anchors_say_of_later_entries(original: Original) -> None:
    lines = rewrite_from(original.lines, 9)
    lines[1] = lines[1].replace(b'"number"', b'"NUMBER"')
    found = [(finding.kind, finding.seq) for finding in original.check(lines).findings]
    assert found == [("altered", 2), ("altered", 11)]


@pytest.mark.parametrize("kept", range(ENTRIES))
def test_a_log_cut_below_an_anchor_is_one_finding(original: Original, kept: int) -> None:
    found = original.check(original.lines[:kept])
    kind, seq, _ = only(found)
    assert (kind, seq) == ("cut", kept + 1)
    assert f"entry {ENTRIES} was anchored" in found.findings[0].sentence


def test_a_log_cut_within_its_last_line_is_torn_and_a_finding(original: Original) -> None:
    lines = original.lines
    lines[-1] = lines[-1][:-30]
    found = original.check(lines)
    assert only(found)[:2] == ("cut", ENTRIES)
    assert found.torn_bytes == len(lines[-1])


def test_without_anchors_a_torn_end_is_no_finding(original: Original) -> None:
    lines = original.lines
    lines[-1] = lines[-1][:-1]
    found = original.check(lines, open_database("sqlite://", Path()))
    assert found.whole
    assert (found.entries, found.torn_bytes) == (ENTRIES - 1, len(lines[-1]))


def test_of_several_alterations_the_first_is_named_and_all_are_counted(original: Original) -> None:
    lines = original.lines
    lines[2] = lines[2].replace(b'"number"', b'"NUMBER"')
    lines[5] = lines[5].replace(b'"number"', b'"NUMBER"')
    del lines[9]
    found = original.check(lines)
    assert (only(found), found.misfits) == (("altered", 3, original.place(3)), 3)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_removed_segment_breaks_the_chain_at_the_next(original: Original, tmp_path: Path, number: int) -> None:
    write_segments(original, tmp_path)
    (tmp_path / f"{number:06d}.jsonl").unlink()
    kind, _, place = only(verify(tmp_path, original.engine))
    assert (kind, place) == ("broken", (f"{number + 1:06d}.jsonl", 1))


def test_a_removed_last_segment_is_found_by_the_anchors(original: Original, tmp_path: Path) -> None:
    write_segments(original, tmp_path)
    (tmp_path / "000004.jsonl").unlink()
    assert only(verify(tmp_path, original.engine))[0] == "cut"


def test_two_segments_exchanged_are_found_at_the_first(original: Original, tmp_path: Path) -> None:
    write_segments(original, tmp_path)
    (tmp_path / "000002.jsonl").rename(tmp_path / "kept")
    (tmp_path / "000003.jsonl").rename(tmp_path / "000002.jsonl")
    (tmp_path / "kept").rename(tmp_path / "000003.jsonl")
    kind, _, place = first(verify(tmp_path, original.engine))
    assert (kind, place) == ("broken", ("000002.jsonl", 1))


def test_a_log_that_is_not_there_is_whole_and_one_of_which_only_the_id_is_left_is_cut(
    original: Original, tmp_path: Path
) -> None:
    assert verify(tmp_path / "none", None).whole
    assert verify(tmp_path / "none", original.engine).whole
    (tmp_path / CHAIN_FILE).write_text(CHAIN)
    assert only(verify(tmp_path, original.engine))[0] == "cut"


def test_an_anchor_is_never_replaced(original: Original) -> None:
    before = list(read_anchors(original.engine, CHAIN, ENTRIES))
    write_anchor(original.engine, CHAIN, ANCHORED[0], "f" * 64)
    assert list(read_anchors(original.engine, CHAIN, ENTRIES)) == before
    assert [anchor.seq for anchor in read_anchors(original.engine, CHAIN, 8)] == [4, 7, 8]


def test_a_log_broken_everywhere_is_counted_in_the_memory_of_one_finding(original: Original) -> None:
    found = original.check(original.lines[::-1])
    assert (len(found.findings), found.misfits) == (2, ENTRIES)
    altered = original.check([line.replace(b'"number"', b'"NUMBER"') for line in original.lines])
    assert (len(altered.findings), altered.misfits) == (1, ENTRIES)


def write_segments(original: Original, folder: Path) -> None:
    (folder / CHAIN_FILE).write_text(CHAIN)
    for number, segment in enumerate(original.segments, start=1):
        (folder / f"{number:06d}.jsonl").write_bytes(b"".join(segment))


def test_more_anchors_than_a_page_are_all_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aftercast.operations.database.audit_anchors.PAGE", 3)
    engine = open_database("sqlite:///records.db", tmp_path)
    for seq in range(1, 8):
        write_anchor(engine, OTHER, seq, "0" * 64)
        write_anchor(engine, CHAIN, seq + 1, "0" * 64)
    assert [anchor.seq for anchor in read_anchors(engine, OTHER, 7)] == list(range(1, 8))
    engine.dispose()
    shutil.rmtree(tmp_path)
