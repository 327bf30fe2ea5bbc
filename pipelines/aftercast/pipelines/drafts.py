"""Which source some data belongs to, and the fleet spec it suggests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aftercast.data.fleet import FleetSpec
from aftercast.data.ingest import SOURCES, Place, get_source
from aftercast.data.ingest.proposal import Proposal, propose
from aftercast.operations.errors import AftercastError, InputError

OWN: Final = "tables"
"""The source of people's own files, of which questions are asked."""


@dataclass(frozen=True)
class Draft:
    """What was found of a place: its source, and a fleet spec that may still depend on questions."""

    source: str
    proposal: Proposal

    @property
    def fleet(self) -> FleetSpec:
        """The fleet spec; whole where no question is open."""
        return self.proposal.fleet


def draft_from(place: Place, source_name: str | None, answers: Mapping[str, str]) -> Draft:
    """Source of a place and the fleet spec drafted from it.

    Without a name the sources for a publisher's layout are tried first, then the files are looked at as people's own.

    Raises
    ------
    InputError
        If there is nothing at the place, or it cannot be read; says why.
    """
    if not isinstance(place, str) and not place.exists():
        raise InputError(f"{place} does not exist.", "Name the file or folder that holds the data.")
    if source_name not in {None, OWN}:
        return Draft(str(source_name), Proposal(get_source(str(source_name)).draft(place), (), ()))
    if source_name is None and not isinstance(place, str):
        for name in sorted(SOURCES.keys() - {OWN}):
            try:
                return Draft(name, Proposal(SOURCES[name].draft(place), (), ()))
            except AftercastError:  # this layout is not it; the next one may be
                continue
    return Draft(OWN, propose(place, answers))
