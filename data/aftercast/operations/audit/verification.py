"""Verifying a log: one pass over its bytes, in the memory of its longest line, that goes on after what it finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from aftercast.operations.audit.anchoring import AnchorCheck
from aftercast.operations.audit.breaks import find_breaks
from aftercast.operations.audit.files import steady_sizes
from aftercast.operations.audit.findings import Finding, Place, found
from aftercast.operations.audit.lines import AuditError, Position, read_link, unreadable
from aftercast.operations.audit.places import Identity, identify
from aftercast.operations.audit.runs import Walk
from aftercast.operations.audit.segments import segment_path
from aftercast.operations.database.audit_anchors import Anchor, newest_anchor, read_anchors

BUFFER: Final = 1 << 20


@dataclass(frozen=True)
class Verification:
    """What verifying a log showed.

    Attributes
    ----------
    head
        Newest entry; its hash is empty where its line is damaged, its seq 0 for an empty log.
    findings
        What is wrong, in the order of the lines; none for a log that is whole.
    omitted
        Further findings that are not listed.
    notices
        What is worth knowing and no sign of tampering: the torn end an interrupted write leaves.
    anchored
        Newest entry whose hash the database holds, 0 where none is or no database was asked.
    chain
        Id of the chain; empty where the log was begun before there were ids, None where it cannot be told.
    other_chains
        How many other logs are anchored in the database.
    """

    entries: int
    segments: int
    head: Position
    findings: tuple[Finding, ...]
    omitted: int
    notices: tuple[str, ...]
    anchored: int
    chain: str | None
    other_chains: int

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify(folder: Path, engine: Engine | None) -> Verification:
    """Check a log as it stands now, while others may append to it.

    Parameters
    ----------
    engine
        Operational database with the anchors; without it, a log cut at its end or rewritten as a whole looks whole.

    Raises
    ------
    AuditError
        If the files or the anchors cannot be read.
    """
    try:
        identity = identify(folder, engine)
        anchored, anchors = _anchors(engine, identity.chain)  # before the sizes: each of its entries is in them
        return _Verifier(folder, steady_sizes(folder), AnchorCheck(anchors), identity).run(anchored)
    except OSError as error:
        raise unreadable(folder, error) from error
    except SQLAlchemyError as error:
        raise AuditError("The anchors of the audit log cannot be read.", "Check database.address.") from error


def _anchors(engine: Engine | None, chain: str | None) -> tuple[int, Iterable[Anchor]]:
    """Newest anchored entry of a chain, and its anchors up to there."""
    if engine is None or chain is None:
        return 0, ()
    newest = newest_anchor(engine, chain)
    return newest, read_anchors(engine, chain, newest)


class _Verifier:
    """One verification under way."""

    def __init__(self, folder: Path, sizes: list[tuple[int, int]], anchors: AnchorCheck, identity: Identity) -> None:
        self._folder, self._sizes, self._anchors, self._identity = folder, sizes, anchors, identity
        self._walk = Walk()
        self._place = Place("", 0)
        self._notices = [*identity.notices()]

    def run(self, anchored: int) -> Verification:
        for number, size in self._sizes:
            self._read(segment_path(self._folder, number), size, newest=number == self._sizes[-1][0])
        walk, identity = self._walk, self._identity
        return Verification(
            walk.entries,
            len(self._sizes),
            Position(walk.newest, walk.head.decode()),
            self._findings(),
            walk.omitted,
            tuple(self._notices),
            anchored,
            identity.chain,
            identity.others,
        )

    def _read(self, path: Path, size: int, *, newest: bool) -> None:
        line_number = 0
        for line_number, line in enumerate(_lines(path, size), start=1):  # said after the loop too
            self._take(line, Place(path.name, line_number), newest=newest)

    def _take(self, line: bytes, place: Place, *, newest: bool) -> None:
        link = read_link(line)
        self._place = place
        if link is not None and link.stored == link.computed:
            self._walk.take_whole(link, place)
            if link.seq >= self._anchors.due or self._anchors.unsettled:
                self._anchors.see(link.seq, link.stored, place)
        elif newest and _is_torn(line):
            self._notices.append(f"The last {len(line):,} bytes of {place.segment} are an entry that was interrupted.")
        else:
            self._walk.take_damaged(line, link, place)

    def _findings(self) -> tuple[Finding, ...]:
        breaks = find_breaks(self._walk.runs)
        rewritten = [finding.seq for finding in breaks if finding.kind == "rewritten"]
        anchored = self._anchors.findings(self._walk.newest, self._place, rewritten)
        in_lines = [*self._walk.findings, *_with_segments(breaks, self._sizes)]
        every = [*self._identity.findings(), *in_lines, *anchored]
        return tuple(sorted(every, key=lambda finding: (finding.segment, finding.line, finding.seq)))


def _lines(path: Path, size: int) -> Iterator[bytes]:
    """Lines of the first size bytes of a file."""
    with path.open("rb", buffering=BUFFER) as file:
        while size > 0 and (line := file.readline(size)):
            size -= len(line)
            yield line


def _is_torn(line: bytes) -> bool:
    """Whether a line may be what an interrupted write left; a whole one whose newline was altered is not."""
    if line.endswith(b"\n"):
        return False
    link = read_link(line[:-1] + b"\n")
    return link is None or link.stored != link.computed


def _with_segments(breaks: list[Finding], sizes: list[tuple[int, int]]) -> Iterator[Finding]:
    """Findings, those of entries that are missing because their segment is telling so."""
    jumps = {number: range(last + 1, number) for last, number in pairwise([0, *(one for one, _ in sizes)])}
    gone = {segment_path(Path(), number).name: gap for number, gap in jumps.items() if gap}
    for finding in breaks:
        gap = gone.pop(finding.segment, None) if finding.kind == "missing" else None
        yield finding if gap is None else replace(finding, kind="segment", sentence=f"{_gone(gap)} {finding.sentence}")
    for segment, gap in gone.items():
        yield found("segment", 0, Place(segment, 1), _gone(gap))


def _gone(gap: range) -> str:
    first, last = (segment_path(Path(), number).name for number in (gap[0], gap[-1]))
    return f"Segment {first} is missing." if len(gap) == 1 else f"Segments {first} to {last} are missing."
