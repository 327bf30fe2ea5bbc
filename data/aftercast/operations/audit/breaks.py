"""What was done where the runs of a log meet: entries removed, inserted, put elsewhere or rewritten.

All runs are looked at together, because a line that was moved breaks the chain in up to four places and is one thing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from aftercast.operations.audit.findings import Finding, found, named
from aftercast.operations.audit.runs import Run


def find_breaks(runs: Sequence[Run]) -> list[Finding]:
    """Findings of the runs of a log, given in the order of its lines."""
    kept, inserted = _without_doubles(runs)
    in_order = sorted(kept, key=lambda run: run.first)
    return [*inserted, *_reordered(kept, in_order), *_missing(in_order), *_rewritten(in_order)]


def _without_doubles(runs: Sequence[Run]) -> tuple[list[Run], list[Finding]]:
    """Runs that share no entry, in the order of the lines, and a finding for each that held one another holds.

    The longer run is believed: what was inserted is usually short.
    """
    order = {id(run): index for index, run in enumerate(runs)}
    kept: list[Run] = []
    position: dict[int, int] = {}
    findings = []
    for run in sorted(runs, key=lambda run: (run.first - run.last, order[id(run)])):
        others = _overlapping(kept, run)
        if others:
            findings.append(_double(run, others[0]))
        for piece in _pieces(run, others):
            kept.insert(bisect_right(kept, piece.first, key=lambda other: other.first), piece)
            position[piece.first] = order[id(run)]
    return sorted(kept, key=lambda run: (position[run.first], run.first)), findings


def _overlapping(kept: Sequence[Run], run: Run) -> list[Run]:
    start = bisect_right(kept, run.first, key=lambda other: other.last + 1)
    end = bisect_right(kept, run.last, key=lambda other: other.first)
    return list(kept[start:end])


def _pieces(run: Run, others: Sequence[Run]) -> Iterator[Run]:
    """Parts of a run that no other holds; where it was cut, its hashes say nothing."""
    first = run.first
    for other in others:
        if first < other.first:
            before = _if(first == run.first, run.before)
            yield replace(run, first=first, last=other.first - 1, before=before, after=None)
        first = max(first, other.last + 1)
    if first <= run.last:
        yield replace(run, first=first, before=_if(first == run.first, run.before))


def _if(kept: bool, digest: bytes | None) -> bytes | None:
    return digest if kept else None


def _double(run: Run, other: Run) -> Finding:
    later = other if other.first > run.first else run
    first, last = max(run.first, other.first), min(run.last, other.last)
    verb = "is" if first == last else "are"
    return found("inserted", first, later.place, f"{named(first, last)} {verb} there more than once.")


def _reordered(kept: Sequence[Run], in_order: Sequence[Run]) -> Iterator[Finding]:
    """One finding for each stretch of lines that holds the right entries in another order."""
    rank = {id(run): index for index, run in enumerate(in_order)}
    start, highest = 0, -1
    for index, run in enumerate(kept):
        highest = max(highest, rank[id(run)])
        if highest == index:
            if index > start:
                yield _misplaced(kept[start : index + 1])
            start = index + 1


def _misplaced(stretch: Sequence[Run]) -> Finding:
    run, belongs = stretch[0], min(other.first for other in stretch)
    return found("reordered", run.first, run.place, f"Entry {run.first} stands where entry {belongs} belongs.")


def _missing(in_order: Sequence[Run]) -> Iterator[Finding]:
    for run, following in pairwise(in_order):
        first, last = run.last + 1, following.first - 1
        if first <= last:
            verb = "is" if first == last else "are"
            yield found("missing", first, following.place, f"{named(first, last)} {verb} missing before this line.")


def _rewritten(in_order: Sequence[Run]) -> Iterator[Finding]:
    """Neighbours that do not fit; an entry that fits neither of its neighbours is one finding."""
    told: Run | None = None
    for run, following in pairwise(in_order):
        if not _fits(run, following):
            if not (run is told and run.first == run.last):
                yield _misfit(run, following)
            told = following


def _fits(run: Run, following: Run) -> bool:
    unknown = run.after is None or following.before is None
    return unknown or following.first != run.last + 1 or run.after == following.before


def _misfit(run: Run, following: Run) -> Finding:
    return found(
        "rewritten",
        following.first,
        following.place,
        f"Entry {following.first} does not follow entry {run.last}: one of them was rewritten.",
    )
