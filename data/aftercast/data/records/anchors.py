"""Anchors of the audit log: hashes kept outside its files, which give away a log that was cut or written anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd
from sqlalchemy import BigInteger, Column, Engine, String, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from aftercast.data.clocks import parse_time
from aftercast.data.records.database import METADATA

AUDIT_ANCHORS: Final = Table(
    "audit_anchors",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String, nullable=False),
    Column("anchored_at", String, nullable=False),
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


def write_anchor(engine: Engine, seq: int, digest: str) -> None:
    """Record the hash of an entry; an anchor that is there already stays, whatever it says."""
    row = {"seq": seq, "hash": digest, "anchored_at": pd.Timestamp.now("UTC").isoformat()}
    try:
        with engine.begin() as connection:
            there = connection.execute(select(AUDIT_ANCHORS.c.seq).where(AUDIT_ANCHORS.c.seq == seq)).one_or_none()
            if there is None:
                connection.execute(insert(AUDIT_ANCHORS).values(**row))
    except IntegrityError:
        return  # another process anchored the same entry meanwhile


def newest_anchor(engine: Engine) -> int:
    """Number of the newest anchored entry, 0 where there is none."""
    with engine.connect() as connection:
        newest = connection.execute(select(func.max(AUDIT_ANCHORS.c.seq))).scalar_one()
    return 0 if newest is None else int(newest)


def read_anchors(engine: Engine, until: int) -> Iterator[Anchor]:
    """Anchors of the entries up to one, inclusive, in their order; read in pages, so that no transaction stays open."""
    after = -1
    while True:
        page = _page(engine, after, until)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].seq


def _page(engine: Engine, after: int, until: int) -> list[Anchor]:
    seq = AUDIT_ANCHORS.c.seq
    statement = select(AUDIT_ANCHORS).where(seq > after, seq <= until).order_by(seq).limit(PAGE)
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    return [Anchor(row.seq, row.hash, parse_time(row.anchored_at)) for row in rows]
