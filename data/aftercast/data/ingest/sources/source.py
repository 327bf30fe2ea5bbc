"""What a source is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch

NEW: Final = FleetSpec(name="")
"""A spec of which nothing was written yet."""


@dataclass(frozen=True)
class Source:
    """A layout aftercast can read.

    Attributes
    ----------
    name
        What the user types after ``aftercast import``.
    about
        One line for help texts.
    read
        Batches in the order the contract's tables depend on each other, in chunks of bounded size. Raises InputError
        for what cannot be read as this layout. It is given a path; ``tables`` may be given the address of a database.
    draft
        Drafts the fleet spec for the data at a path, by looking at it; raises InputError as reading does. It may be
        given what is written already: its names of columns are followed, and sections it has filled are taken from it.
        Layouts that leave nothing to choose ignore it.
    sections
        Sections of the fleet spec that an import drafts where they are empty.
    """

    name: str
    about: str
    read: Callable[[Any, FleetSpec], Iterator[Batch]]
    draft: Callable[..., FleetSpec]
    sections: tuple[str, ...] = ("sensors", "components")
