"""Anchors of audit logs: hashes kept outside their files, which give away a log that was cut or written anew.

Several logs may be anchored in one database. Each is a chain with an id; that of logs begun before there were ids is
the empty text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd
from sqlalchemy import BigInteger, Column, Engine, String, Table, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from aftercast.operations.clocks import parse_time
from aftercast.operations.database.engine import METADATA

AUDIT_ANCHORS: Final = Table(
    "audit_anchors",
    METADATA,
    Column("chain", String, primary_key=True, server_default=text("''")),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String, nullable=False),
    Column("anchored_at", String, nullable=False),
)
AUDIT_CHAINS: Final = Table(
    "audit_chains",
    METADATA,
    Column("chain", String, primary_key=True),
    Column("place", String, nullable=False),
    Column("begun_at", String, nullable=False),
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


@dataclass(frozen=True)
class KnownChain:
    """A log that was anchored.

    Attributes
    ----------
    place
        Where it was when that was written down; moving the log does not change it.
    begun_at
        When its first entry was anchored (UTC).
    """

    chain: str
    place: str
    begun_at: pd.Timestamp


def write_chain(engine: Engine, chain: str, place: str) -> None:
    """Record where a chain is, before its first anchor; what is recorded already stays, whatever it says."""
    known = select(AUDIT_CHAINS.c.chain).where(AUDIT_CHAINS.c.chain == chain)
    anchors = AUDIT_ANCHORS.c
    oldest = select(anchors.anchored_at).where(anchors.chain == chain).order_by(anchors.seq).limit(1)
    try:
        with engine.begin() as connection:
            if connection.execute(known).one_or_none() is None:
                begun_at = connection.execute(oldest).scalar_one_or_none() or _now()
                connection.execute(insert(AUDIT_CHAINS).values(chain=chain, place=place, begun_at=begun_at))
    except IntegrityError:
        return  # another process recorded it meanwhile


def read_chains(engine: Engine) -> list[KnownChain]:
    """Every chain whose place is recorded, the oldest first."""
    statement = select(AUDIT_CHAINS).order_by(AUDIT_CHAINS.c.begun_at, AUDIT_CHAINS.c.chain)
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    return [KnownChain(row.chain, row.place, parse_time(row.begun_at)) for row in rows]


def write_anchor(engine: Engine, chain: str, seq: int, digest: str) -> None:
    """Record the hash of an entry; an anchor that is there already stays, whatever it says."""
    anchors = AUDIT_ANCHORS.c
    known = select(anchors.seq).where(anchors.chain == chain, anchors.seq == seq)
    row = {"chain": chain, "seq": seq, "hash": digest, "anchored_at": _now()}
    try:
        with engine.begin() as connection:
            if connection.execute(known).one_or_none() is None:
                connection.execute(insert(AUDIT_ANCHORS).values(**row))
    except IntegrityError:
        return  # another process anchored the same entry meanwhile


def newest_anchor(engine: Engine, chain: str) -> int:
    """Number of the newest anchored entry of a chain, 0 where there is none."""
    statement = select(func.max(AUDIT_ANCHORS.c.seq)).where(AUDIT_ANCHORS.c.chain == chain)
    with engine.connect() as connection:
        newest = connection.execute(statement).scalar_one()
    return 0 if newest is None else int(newest)


def read_anchors(engine: Engine, chain: str, until: int) -> Iterator[Anchor]:
    """Anchors of a chain's entries up to one, inclusive, in order; read in pages, so that no transaction stays open."""
    after = -1
    while True:
        page = _page(engine, chain, after, until)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].seq


def _page(engine: Engine, chain: str, after: int, until: int) -> list[Anchor]:
    anchors = AUDIT_ANCHORS.c
    wanted = (anchors.chain == chain, anchors.seq > after, anchors.seq <= until)
    statement = select(AUDIT_ANCHORS).where(*wanted).order_by(anchors.seq).limit(PAGE)
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    return [Anchor(row.seq, row.hash, parse_time(row.anchored_at)) for row in rows]


def _now() -> str:
    return pd.Timestamp.now("UTC").isoformat()
