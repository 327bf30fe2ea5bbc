"""What verifying may find: one finding for one alteration, with the place where a person should look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal[
    "altered", "unreadable", "missing", "inserted", "reordered", "rewritten", "segment", "anchor", "cut", "chain"
]


class Place(NamedTuple):
    """Line of a segment; a tuple, since verifying makes millions.

    Attributes
    ----------
    segment
        File name; empty for a log without segments.
    line
        From 1; 0 where there is no line.
    """

    segment: str
    line: int


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the log.

    Attributes
    ----------
    seq
        Number of the first entry concerned; 0 where it is the log as a whole.
    segment, line
        Where to look: the line concerned, or the one after what is missing.
    sentence
        What was found, for people.
    """

    kind: Kind
    seq: int
    segment: str
    line: int
    sentence: str


def found(kind: Kind, seq: int, place: Place, sentence: str) -> Finding:
    """Finding at a place."""
    return Finding(kind, seq, place.segment, place.line, sentence)


def named(first: int, last: int) -> str:
    """Entries as a person names them.

    >>> named(5, 5), named(5, 9)
    ('Entry 5', 'Entries 5 to 9')
    """
    return f"Entry {first}" if first == last else f"Entries {first} to {last}"
