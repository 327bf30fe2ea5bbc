"""What a source is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest.batches import Batch


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
        for what cannot be read as this layout.
    draft
        Fleet spec for the data at a path, found by looking at it. Raises InputError as ``read`` does.
    draft_for
        Fleet spec for the data at a path, as an addition to one that is begun: follows its names of columns, and looks
        only for the sections it leaves empty. None where the layout leaves nothing to add; ``draft`` does then.
    """

    name: str
    about: str
    read: Callable[[Path, FleetSpec], Iterator[Batch]]
    draft: Callable[[Path], FleetSpec]
    draft_for: Callable[[Path, FleetSpec], FleetSpec] | None = None
