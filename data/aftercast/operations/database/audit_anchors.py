"""Anchors of audit logs: hashes kept outside their files, by which a log that was cut or rewritten is recognised.

Several logs may be anchored in one database; each is a chain with an id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd
from sqlalchemy import BigInteger, Column, Engine, String, Table, func, select

from aftercast.operations.database.tables import METADATA, UtcTime, insert_once, utc_now

AUDIT_ANCHORS: Final = Table(
    "audit_anchors",
    METADATA,
    Column("chain", String, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String, nullable=False),
    Column("anchored_at", UtcTime, nullable=False),
)
AUDIT_CHAINS: Final = Table(
    "audit_chains",
    METADATA,
    Column("chain", String, primary_key=True),
    Column("place", String, nullable=False),
    Column("begun_at", UtcTime, nullable=False),
)
PAGE: Final = 10_000


@dataclass(frozen=True)
class Anchor:
    """An entry of the audit log that was on the disk at an instant.

    Attributes
    ----------
    seq, hash
        Number of the entry, and its SHA-256.
    anchored_at
        When it was recorded (UTC).
    """

    seq: int
    hash: str
    anchored_at: pd.Timestamp


def write_chain(engine: Engine, chain: str, place: str) -> None:
    """Record where a chain is, before its first anchor; what is recorded already stays, wherever the log moves."""
    with engine.begin() as connection:
        insert_once(connection, AUDIT_CHAINS, chain=chain, place=place, begun_at=utc_now())


def chains_at(engine: Engine, place: str) -> dict[str, pd.Timestamp]:
    """Chains whose first anchor was written at a place, and when (UTC), the oldest first."""
    chains = AUDIT_CHAINS.c
    statement = select(AUDIT_CHAINS).where(chains.place == place).order_by(chains.begun_at, chains.chain)
    with engine.connect() as connection:
        return {row.chain: row.begun_at for row in connection.execute(statement)}


def write_anchor(engine: Engine, chain: str, seq: int, digest: str) -> None:
    """Record the hash of an entry; an anchor that is recorded already stays."""
    with engine.begin() as connection:
        insert_once(connection, AUDIT_ANCHORS, chain=chain, seq=seq, hash=digest, anchored_at=utc_now())


def newest_anchor(engine: Engine, chain: str) -> int:
    """Number of the newest anchored entry of a chain, 0 where there is none."""
    statement = select(func.max(AUDIT_ANCHORS.c.seq)).where(AUDIT_ANCHORS.c.chain == chain)
    with engine.connect() as connection:
        newest = connection.execute(statement).scalar_one()
    return 0 if newest is None else int(newest)


def read_anchors(engine: Engine, chain: str, until: int) -> Iterator[Anchor]:
    """Anchors of a chain's entries up to one, inclusive, in order; read in pages, so that no transaction stays open."""
    anchors, after = AUDIT_ANCHORS.c, 0
    while True:
        wanted = (anchors.chain == chain, anchors.seq > after, anchors.seq <= until)
        with engine.connect() as connection:
            page = connection.execute(select(AUDIT_ANCHORS).where(*wanted).order_by(anchors.seq).limit(PAGE)).all()
        yield from (Anchor(row.seq, row.hash, row.anchored_at) for row in page)
        if len(page) < PAGE:
            return
        after = page[-1].seq
