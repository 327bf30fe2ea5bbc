"""A log as runs of lines that follow one another: one run is a whole chain, and where runs meet something was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aftercast.operations.audit.findings import Finding, Kind, Place, found
from aftercast.operations.audit.lines import FRAME, GENESIS, Link

MAX_RUNS: Final = 10_000
MAX_FINDINGS: Final = 1_000
"""A log broken in more places is no longer told apart: memory stays the same however bad it is."""


@dataclass
class Run:
    """Lines in which each follows the one before.

    Attributes
    ----------
    first, last
        Numbers of its entries, inclusive.
    place
        Its first line.
    before, after
        Hash its first line names, and hash of its last; None where that line cannot be trusted.
    """

    first: int
    last: int
    place: Place
    before: bytes | None
    after: bytes | None


class Walk:
    """Goes through the lines once and keeps the runs, and a finding for each line that is damaged itself.

    A damaged line takes the place of the entry that belongs there, so that it breaks nothing after it.
    """

    def __init__(self) -> None:
        self._run = Run(0, 0, Place("", 0), None, GENESIS)
        self._blurred = 0
        self._unreadable = False
        self.runs = [self._run]
        self.findings: list[Finding] = []
        self.omitted = 0
        self.entries = 0

    @property
    def newest(self) -> int:
        """Number of the entry on the line last taken, as far as it can be told."""
        return self._run.last + self._blurred

    @property
    def head(self) -> bytes:
        """Hash of the newest entry; empty where its line is damaged."""
        return b"" if self._run.after is None else self._run.after

    def take_whole(self, link: Link, place: Place) -> None:
        """Take a line whose hash is right."""
        self.entries += 1
        if not self._follows(link):
            self._begin(link, place)
        self._run.last, self._run.after = link.seq, link.stored
        self._blurred, self._unreadable = 0, False

    def take_damaged(self, line: bytes, link: Link | None, place: Place) -> None:
        """Take a line that is not what was written; unreadable neighbours are one finding, like a line cut in two."""
        if link is not None:
            self.entries += 1
            seq = self.newest + 1
            self._find("altered", seq, place, f"Entry {seq} was altered: its hash is not the one it was written with.")
        elif not self._unreadable:
            seq = self.newest + 1
            self._find("unreadable", seq, place, f"The line of entry {seq} cannot be read.")
        self._unreadable = link is None
        self._blurred += max(1, line.count(FRAME))  # two where the newline between two entries was altered
        self._run.after = None

    def _follows(self, link: Link) -> bool:
        expected = self._run.last + 1
        if self._blurred == 0:
            return link.seq == expected and link.previous == self._run.after
        return expected <= link.seq <= expected + self._blurred

    def _begin(self, link: Link, place: Place) -> None:
        """Close the run, the damaged lines at its end included, and begin the next."""
        reached = self.newest
        self._run.last = min(reached, link.seq - 1) if link.seq > self._run.last else reached
        self._run = Run(link.seq, link.seq, place, link.previous, link.stored)
        if len(self.runs) < MAX_RUNS:
            self.runs.append(self._run)
        else:
            self.omitted += 1

    def _find(self, kind: Kind, seq: int, place: Place, sentence: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(found(kind, seq, place, sentence))
        else:
            self.omitted += 1
