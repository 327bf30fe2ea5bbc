"""Verification of a log: the first line that does not fit, and whether the anchors agree.

One pass over the bytes in the memory of the longest line and of a page of anchors; others may append meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from aftercast.operations.audit.chain_id import CHAIN_FILE, place_of, read_chain
from aftercast.operations.audit.lines import GENESIS, AuditError, Position, read_link, unreadable
from aftercast.operations.audit.lock import SharedLock
from aftercast.operations.audit.log import LOCK_WAIT_S, locked
from aftercast.operations.audit.segments import segment_numbers, segment_path
from aftercast.operations.database.audit_anchors import Anchor, chains_at, newest_anchor, read_anchors

BUFFER: Final = 1 << 20


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a log.

    Attributes
    ----------
    kind
        ``altered``: an entry is not the one that was written. ``broken``: a line does not follow the one before it.
        ``cut``: anchored entries are gone.
    segment, line
        File and line, from 1, to look at; empty and 0 where it is the log as a whole.
    seq
        Number of the entry concerned; 0 where it is the log as a whole.
    sentence
        The finding in words.
    """

    kind: Literal["altered", "broken", "cut"]
    segment: str
    line: int
    seq: int
    sentence: str


@dataclass(frozen=True)
class Verification:
    """Result of verifying a log.

    Attributes
    ----------
    entries, segments
        How many were read.
    head
        Newest entry, seq 0 for an empty log; its hash is empty where its line is damaged.
    findings
        The first line that does not fit, the first anchor that disagrees, and what is cut off; empty for a whole log.
    misfits
        How many lines do not fit, the first included.
    torn_bytes
        Length of the end that an interrupted write left, which the next append sets aside; no sign of tampering.
    anchored
        Newest anchored entry; 0 without one, or without a database.
    chain
        Id of the chain; None where there is no log, or its id cannot be read.
    """

    entries: int
    segments: int
    head: Position
    findings: tuple[Finding, ...]
    misfits: int
    torn_bytes: int
    anchored: int
    chain: str | None

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
        If the files or the anchors cannot be read, or a process holds the lock too long.
    """
    try:
        chain, of_chain = check_chain(folder, engine)
        anchored = 0
        anchors: Iterator[Anchor] = iter(())
        if engine is not None and chain is not None:
            anchored = newest_anchor(engine, chain)  # before the sizes are read: each anchored entry is within them
            anchors = read_anchors(engine, chain, anchored)
        walk = _Walk(anchors)
        sizes = _sizes(folder)
        for number, size in sizes:
            walk.read(segment_path(folder, number), size, newest=number == sizes[-1][0])
        findings = (*of_chain, *walk.findings(anchored))
    except TimeoutError as error:
        raise locked(folder) from error
    except OSError as error:
        raise unreadable(folder, error) from error
    except SQLAlchemyError as error:
        raise AuditError("The anchors of the audit log cannot be read.", "Check database.address.") from error
    head = Position(walk.seq, walk.digest.decode())
    return Verification(walk.entries, len(sizes), head, findings, walk.misfits, walk.torn_bytes, anchored, chain)


def check_chain(folder: Path, engine: Engine | None) -> tuple[str | None, list[Finding]]:
    """Id of a log's chain, and findings where it is damaged or another chain was anchored at the place of the log.

    Returns
    -------
    (id, findings)
        The id is None where no log was begun, or the id cannot be read.
    """
    findings = []
    known = {} if engine is None else chains_at(engine, place_of(folder))  # a chain has its id before it is known here
    try:
        chain = read_chain(folder)
    except AuditError as error:
        chain = None
        findings.append(Finding("altered", CHAIN_FILE, 1, 0, error.message))
    for one, since in known.items():
        if one != chain:
            said = f"The chain {one} was anchored here since {since:%Y-%m-%dT%H:%M:%SZ}, and its log is not here."
            findings.append(Finding("cut", "", 0, 0, said))
    return chain, findings


class _Walk:
    """One pass over the lines.

    After a line that does not fit, the next one is believed to be in its place: each alteration is one misfit or two,
    and does not hide what comes later.
    """

    def __init__(self, anchors: Iterator[Anchor]) -> None:
        self._anchors = anchors
        self._due = next(anchors, None)
        self._misfit: Finding | None = None
        self._disagreement: Finding | None = None
        self._last = ("", 0)
        self.seq, self.digest = 0, GENESIS  # no digest after a damaged line: the next line may follow it or not
        self.entries = self.misfits = self.torn_bytes = 0

    def read(self, path: Path, size: int, *, newest: bool) -> None:
        """Take the lines in the first size bytes of a segment; only the newest may have a torn end."""
        with path.open("rb", buffering=BUFFER) as file:
            number = 0
            while size > 0 and (line := file.readline(size)):
                size, number = size - len(line), number + 1
                if size == 0 and newest and _is_torn(line):
                    self.torn_bytes = len(line)
                else:
                    self._last = path.name, number
                    self._take(line)

    def findings(self, anchored: int) -> Iterable[Finding]:
        """Findings of the lines; a log whose last line is damaged is not said to be cut as well."""
        found = [one for one in (self._misfit, self._disagreement) if one is not None]
        if self.digest and anchored > self.seq:
            said = f"The log ends with entry {self.seq}, but entry {anchored} was anchored."
            found.append(Finding("cut", *self._last, self.seq + 1, said))
        return sorted(found, key=lambda one: (one.segment, one.line))

    def _take(self, line: bytes) -> None:
        link = read_link(line)
        if link is None or link.stored != link.computed:
            expected = self.seq + 1
            self._note_misfit("altered", expected, f"The line of entry {expected} is not the one that was written.")
            self.seq, self.digest = expected, b""
            return
        self.entries += 1
        if self.digest and (link.seq, link.previous) != (self.seq + 1, self.digest):
            said = f"Entry {link.seq} does not follow the line before it, entry {self.seq}"
            self._note_misfit("broken", link.seq, f"{said}: lines were removed, inserted, moved or rewritten.")
        self.seq, self.digest = link.seq, link.stored
        if self._due is not None and link.seq >= self._due.seq:
            self._compare(link.seq, link.stored)

    def _note_misfit(self, kind: Literal["altered", "broken"], seq: int, sentence: str) -> None:
        self.misfits += 1
        if self._misfit is None:
            self._misfit = Finding(kind, *self._last, seq, sentence)

    def _compare(self, seq: int, digest: bytes) -> None:
        """Compare an entry with its anchor; anchors of entries that are not there follow from a misfit."""
        while self._due is not None and self._due.seq < seq:
            self._due = next(self._anchors, None)
        if self._due is None or self._due.seq != seq:
            return
        if self._due.hash.encode() != digest and self._disagreement is None:
            said = f"Entry {seq} is not the one anchored at {self._due.anchored_at:%Y-%m-%dT%H:%M:%SZ}"
            sentence = f"{said}: it was rewritten, or an entry before it."
            self._disagreement = Finding("altered", *self._last, seq, sentence)
        self._due = next(self._anchors, None)


def _is_torn(line: bytes) -> bool:
    """Whether an interrupted write may have left a line; one of which only the newline was altered is no such line."""
    if line.endswith(b"\n"):
        return False
    link = read_link(line[:-1] + b"\n")
    return link is None or link.stored != link.computed


def _sizes(folder: Path) -> list[tuple[int, int]]:
    """Number and bytes of each segment at an instant when nobody appends; ascending."""
    lock = SharedLock(folder, os.O_RDONLY)
    try:
        lock.take(LOCK_WAIT_S)
    except TimeoutError:
        raise
    except OSError:  # a copy without the file, or a reader who may not open it: at worst a torn end is reported
        pass
    try:
        return [(number, segment_path(folder, number).stat().st_size) for number in segment_numbers(folder)]
    finally:
        lock.close()
