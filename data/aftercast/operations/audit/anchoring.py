"""The log against its anchors: a chain that is whole in itself may still be shorter than it was, or another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd

from aftercast.operations.audit.findings import Finding, Place, found
from aftercast.operations.database.audit_anchors import Anchor

MAX_PASSED: Final = 100_000


@dataclass
class Disagreement:
    """Anchors in a row whose entries have another hash.

    Attributes
    ----------
    last, rejoined
        Last of those entries, and the next one that agrees again, if any.
    """

    anchor: Anchor
    place: Place
    last: Anchor
    count: int = 1
    rejoined: int | None = None


class AnchorCheck:
    """Compares entries with the anchors while they pass; entries may come out of order.

    Attributes
    ----------
    due
        Number of the next anchored entry; entries before it need only be shown while something is unsettled.
    """

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        self._anchors = iter(anchors)
        self._next: Anchor | None = None
        self._passed: dict[int, Anchor] = {}
        self._disagreements: list[Disagreement] = []
        self.due: float = 0
        self._advance()

    @property
    def unsettled(self) -> bool:
        """Whether anchored entries were passed over or disagree, and may yet come."""
        return bool(self._passed or self._disagreements)

    def see(self, seq: int, digest: bytes, place: Place) -> None:
        """Compare an entry."""
        if seq < self.due:
            self._see_late(seq, digest, place)
        while self._next is not None and self._next.seq < seq:
            if len(self._passed) < MAX_PASSED:
                self._passed[self._next.seq] = self._next
            self._advance()
        if self._next is not None and self._next.seq == seq:
            self._compare(self._next, digest, place)
            self._advance()

    def _see_late(self, seq: int, digest: bytes, place: Place) -> None:
        """Compare an entry that comes after a later one, or a second time."""
        anchor = self._passed.pop(seq, None)
        if anchor is not None:
            self._compare(anchor, digest, place)
        elif self._disagreements and self._disagreements[-1].last.seq == seq:
            self._forgive(self._disagreements[-1], digest)

    def findings(self, newest: int, end: Place, rewritten: Iterable[int]) -> Iterator[Finding]:
        """What the anchors tell beyond the chain itself.

        Parameters
        ----------
        newest, end
            Newest entry of the log and the line it is on.
        rewritten
            Entries found not to follow the one before: a stretch that ends there is told already.
        """
        joints = sorted(rewritten)
        for one in self._disagreements:
            until = float("inf") if one.rejoined is None else one.rejoined
            if not any(one.last.seq <= joint <= until for joint in joints):
                yield _replaced(one)
        last = self._last()
        if last is not None and last.seq > newest:
            yield _cut(newest, last, end)

    def _advance(self) -> None:
        self._next = next(self._anchors, None)
        self.due = float("inf") if self._next is None else self._next.seq

    def _compare(self, anchor: Anchor, digest: bytes, place: Place) -> None:
        open_one = bool(self._disagreements) and self._disagreements[-1].rejoined is None
        if anchor.hash.encode() == digest:
            if open_one:
                self._disagreements[-1].rejoined = anchor.seq
        elif open_one:
            self._disagreements[-1].last = anchor
            self._disagreements[-1].count += 1
        else:
            self._disagreements.append(Disagreement(anchor, place, anchor))

    def _forgive(self, disagreement: Disagreement, digest: bytes) -> None:
        """Of two entries with one number, the anchored one came second; that there are two is found elsewhere."""
        if disagreement.last.hash.encode() == digest and disagreement.count == 1:
            self._disagreements.pop()

    def _last(self) -> Anchor | None:
        last = self._next
        for last in self._anchors:  # noqa: B007  # only the last one is wanted
            pass
        return last


def _replaced(one: Disagreement) -> Finding:
    others = "" if one.count == 1 else f", and {one.count - 1:,} later ones disagree too"
    sentence = f"Entry {one.anchor.seq} is not the one anchored at {_time(one.anchor.anchored_at)}{others}: "
    return found("anchor", one.anchor.seq, one.place, sentence + "the log was rewritten here or before.")


def _cut(newest: int, last: Anchor, end: Place) -> Finding:
    gone = newest + 1
    sentence = f"The log ends before entry {gone}, but entry {last.seq} was anchored at {_time(last.anchored_at)}."
    return found("cut", gone, end, sentence)


def _time(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
