"""The chain of a log against what the database knows of chains: whether another one was anchored at its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from aftercast.operations.audit.findings import Finding, Place, found
from aftercast.operations.audit.identity import CHAIN_FILE, WITHOUT_ID, place_of, read_chain
from aftercast.operations.audit.lines import AuditError
from aftercast.operations.database.audit_anchors import KnownChain, newest_anchor, read_chains

NOWHERE: Final = Place("", 0)


@dataclass(frozen=True)
class Identity:
    """Which chain a log is, and which others its database holds.

    Attributes
    ----------
    chain
        Its id; empty where the log was begun before there were ids, None where there is no log, or its file holds none.
    here
        Other chains that were anchored at the same place.
    others
        How many other chains the database holds, wherever they are.
    broken
        What is wrong with the file of the id; empty where nothing is.
    unplaced
        Whether anchors without a chain's id are there, and no log at a known place is theirs.
    """

    chain: str | None
    here: tuple[KnownChain, ...]
    others: int
    broken: str
    unplaced: bool

    def findings(self) -> Iterator[Finding]:
        """One for the file, or one for each log that is no longer here."""
        if self.broken:
            yield found("chain", 0, NOWHERE, " ".join([self.broken, *(f"{_anchored(one)}." for one in self.here)]))
            return
        for one in self.here:
            why = f"it was removed or replaced, or its file `{CHAIN_FILE}` changed"
            yield found("chain", 0, NOWHERE, f"{_anchored(one)}, and its log is not here: {why}.")

    def notices(self) -> Iterator[str]:
        """What is worth knowing and no sign of tampering."""
        if self.unplaced:
            yield "The database holds anchors from before chains had ids, and it is not known yet where their log is."


def identify(folder: Path, engine: Engine | None) -> Identity:
    """Tell which chain a log is.

    Parameters
    ----------
    engine
        Operational database; without it, nothing is known of other chains.
    """
    known = [] if engine is None else read_chains(engine)  # before the file, which is there before a chain is known
    try:
        chain, broken = read_chain(folder), ""
    except AuditError as error:
        chain, broken = None, error.message
    others = [one for one in known if one.chain != chain]
    placed = chain == WITHOUT_ID or any(one.chain == WITHOUT_ID for one in known)
    unplaced = engine is not None and not placed and newest_anchor(engine, WITHOUT_ID) > 0
    here = tuple(one for one in others if one.place == place_of(folder))
    return Identity(chain, here, len(others) + unplaced, broken, unplaced)


def _anchored(one: KnownChain) -> str:
    named = f"The chain {one.chain}" if one.chain else "A chain without an id"
    return f"{named} was anchored here since {one.begun_at:%Y-%m-%dT%H:%M:%SZ}"
