"""Stored risks: a set for each kind, cutoff, model version and data version, with one row for each device or customer.

A set and all its rows are written in one transaction, so that a set that can be seen is whole, and writing it twice
changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from sqlalchemy import Column, Engine, ForeignKey, Index, Integer, Row, String, Table, Text, insert, select
from sqlalchemy.exc import IntegrityError

from aftercast.operations.clocks import parse_time
from aftercast.operations.database.engine import METADATA

Kind = str
"""Name of a kind of model."""
ROWS_AT_ONCE: Final = 2000
IDS_AT_ONCE: Final = 500

SCORE_SETS: Final = Table(
    "score_sets",
    METADATA,
    Column("set_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("cutoff", String, nullable=False),
    Column("model_version", String, nullable=False),
    Column("data_version", Integer, nullable=False),
    Column("horizons", Text, nullable=False),
    Column("components", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("scored_at", String, nullable=False),
)
SCORES: Final = Table(
    "scores",
    METADATA,
    Column("set_id", String, ForeignKey("score_sets.set_id"), primary_key=True),
    Column("entity_id", String, primary_key=True),
    Column("ranks", Text, nullable=False),
    Column("content", Text, nullable=False),
)
Index("score_sets_newest", SCORE_SETS.c.kind, SCORE_SETS.c.cutoff, SCORE_SETS.c.scored_at)


@dataclass(frozen=True)
class ScoreSet:
    """What one scoring said of a whole fleet at one cutoff.

    Attributes
    ----------
    set_id
        Hash of kind, cutoff, model version and data version: what identifies the set.
    cutoff
        Instant (UTC) the risks were judged at; nothing later was read.
    horizons
        Horizon texts in the order of the probabilities of its rows.
    size
        Number of devices or customers in it; 0 is a set of its own.
    """

    kind: Kind
    cutoff: pd.Timestamp
    model_version: str
    data_version: int
    horizons: tuple[str, ...]
    components: tuple[str, ...]
    size: int = 0
    scored_at: pd.Timestamp | None = None

    @property
    def set_id(self) -> str:
        """Identity of the set, 16 hexadecimal digits."""
        what = (self.kind, self.cutoff.isoformat(), self.model_version, self.data_version)
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    def head(self, entity_id: str) -> dict[str, Any]:
        """What every forecast of the set has in common, and the id of one."""
        return {
            "kind": self.kind,
            "entity_id": entity_id,
            "cutoff": self.cutoff,
            "model_version": self.model_version,
            "data_version": self.data_version,
        }


def write_scores(engine: Engine, scores: ScoreSet, rows: Sequence[tuple[str, Sequence[float], dict[str, Any]]]) -> bool:
    """Store a set and its rows: (entity id, what it is ordered by, content).

    Returns
    -------
    bool
        False when the set was there already, which leaves it as it was.
    """
    head = {
        "set_id": scores.set_id,
        "kind": scores.kind,
        "cutoff": scores.cutoff.isoformat(),
        "model_version": scores.model_version,
        "data_version": scores.data_version,
        "horizons": json.dumps(scores.horizons),
        "components": json.dumps(scores.components),
        "size": len(rows),
        "scored_at": pd.Timestamp.now("UTC").isoformat(),
    }
    try:
        with engine.begin() as connection:
            connection.execute(insert(SCORE_SETS).values(**head))
            for first in range(0, len(rows), ROWS_AT_ONCE):
                part = rows[first : first + ROWS_AT_ONCE]
                connection.execute(insert(SCORES), [_row(scores.set_id, *row) for row in part])
    except IntegrityError:
        if find_scores(engine, scores.set_id) is None:
            raise
        return False
    return True


def find_scores(engine: Engine, set_id: str) -> ScoreSet | None:
    """Return the set of this id, None where there is none."""
    with engine.connect() as connection:
        row = connection.execute(select(SCORE_SETS).where(SCORE_SETS.c.set_id == set_id)).one_or_none()
    return None if row is None else _score_set(row)


def newest_scores(
    engine: Engine, kind: Kind, cutoff: pd.Timestamp | None = None, model_version: str | None = None
) -> ScoreSet | None:
    """Return the set of the latest cutoff (or of this one) that was scored last; None where there is none."""
    statement = select(SCORE_SETS).where(SCORE_SETS.c.kind == kind)
    if cutoff is not None:
        statement = statement.where(SCORE_SETS.c.cutoff == cutoff.isoformat())
    if model_version is not None:
        statement = statement.where(SCORE_SETS.c.model_version == model_version)
    newest = statement.order_by(SCORE_SETS.c.cutoff.desc(), SCORE_SETS.c.scored_at.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(newest).one_or_none()
    return None if row is None else _score_set(row)


def read_scores(engine: Engine, set_id: str, ids: Sequence[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a set (of these ids): entity id and what was written of it, ordered by id within each 500 ids."""
    whole = select(SCORES.c.entity_id, SCORES.c.content).where(SCORES.c.set_id == set_id).order_by(SCORES.c.entity_id)
    parts = [ids[first : first + IDS_AT_ONCE] for first in range(0, len(ids), IDS_AT_ONCE)] if ids is not None else []
    statements = [whole] if ids is None else [whole.where(SCORES.c.entity_id.in_(part)) for part in parts]
    with engine.connect() as connection:
        for statement in statements:
            for entity_id, content in connection.execute(statement):
                yield entity_id, json.loads(content)


def read_ranks(engine: Engine, set_id: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Entity id and what a list orders it by, for each row of a set: a risk at each horizon, or an urgency."""
    statement = select(SCORES.c.entity_id, SCORES.c.ranks).where(SCORES.c.set_id == set_id)
    with engine.connect() as connection:
        for entity_id, risks in connection.execute(statement):
            yield entity_id, tuple(json.loads(risks))


def _row(set_id: str, entity_id: str, ranks: Sequence[float], content: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return {"set_id": set_id, "entity_id": entity_id, "ranks": json.dumps(ranks), "content": text}


def _score_set(row: Row[Any]) -> ScoreSet:
    return ScoreSet(
        kind=row.kind,
        cutoff=parse_time(row.cutoff),
        model_version=row.model_version,
        data_version=row.data_version,
        horizons=tuple(json.loads(row.horizons)),
        components=tuple(json.loads(row.components)),
        size=row.size,
        scored_at=parse_time(row.scored_at),
    )
