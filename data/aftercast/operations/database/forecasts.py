"""Stored risks: a set for each kind, cutoff, model, data and fleet spec, with one row for each device or customer.

A set and all its rows are written in one transaction, so that a set that can be seen is whole, and writing it twice
changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pandas as pd
from sqlalchemy import JSON, Column, Engine, ForeignKey, Index, Integer, String, Table, insert, select

from aftercast.operations.database.tables import METADATA, UtcTime, insert_once, utc_now

Kind = str
"""Name of a kind of model."""
ROWS_AT_ONCE: Final = 2000
IDS_AT_ONCE: Final = 500

FORECAST_SETS: Final = Table(
    "forecast_sets",
    METADATA,
    Column("set_id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("cutoff", UtcTime, nullable=False),
    Column("model_version", String, nullable=False),
    Column("data_version", Integer, nullable=False),
    Column("horizons", JSON, nullable=False),
    Column("components", JSON, nullable=False),
    Column("size", Integer, nullable=False),
    Column("scored_at", UtcTime, nullable=False),
    Column("spec", String),
)
FORECASTS: Final = Table(
    "forecasts",
    METADATA,
    Column("set_id", String, ForeignKey("forecast_sets.set_id"), primary_key=True),
    Column("entity_id", String, primary_key=True),
    Column("ranks", JSON, nullable=False),
    Column("content", JSON, nullable=False),
)
Index("forecast_sets_newest", FORECAST_SETS.c.kind, FORECAST_SETS.c.cutoff, FORECAST_SETS.c.scored_at)


@dataclass(frozen=True)
class ForecastSet:
    """What one scoring said of a whole fleet at one cutoff.

    Attributes
    ----------
    set_id
        Hash of kind, cutoff, model version, data version and fleet spec: what identifies the set.
    cutoff
        Instant (UTC) the risks were judged at; nothing later was read.
    horizons
        Horizon texts in the order of the probabilities of its rows.
    size
        Number of devices or customers in it; 0 is a set of its own.
    spec
        Hash of the fleet spec it was made under; None for a set of before that was kept.
    """

    kind: Kind
    cutoff: pd.Timestamp
    model_version: str
    data_version: int
    horizons: tuple[str, ...]
    components: tuple[str, ...]
    size: int = 0
    scored_at: pd.Timestamp | None = None
    spec: str | None = None

    @property
    def set_id(self) -> str:
        """Identity of the set, 16 hexadecimal digits."""
        what: tuple[Any, ...] = (
            self.kind,
            self.cutoff.tz_convert("UTC").isoformat(),
            self.model_version,
            self.data_version,
        )
        what += (self.spec,) if self.spec else ()
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


def write_set(engine: Engine, scores: ForecastSet, rows: Sequence[tuple[str, Sequence[float], dict[str, Any]]]) -> bool:
    """Store a set and its rows: (entity id, what it is ordered by, content).

    Returns
    -------
    bool
        False when the set was there already, which leaves it as it was.
    """
    set_id = scores.set_id
    head = {**asdict(scores), "set_id": set_id, "size": len(rows), "scored_at": utc_now()}
    with engine.begin() as connection:
        if not insert_once(connection, FORECAST_SETS, **head):
            return False
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = [
                {"set_id": set_id, "entity_id": entity_id, "ranks": list(ranks), "content": content}
                for entity_id, ranks, content in rows[first : first + ROWS_AT_ONCE]
            ]
            connection.execute(insert(FORECASTS), part)
    return True


def newest_set(
    engine: Engine, kind: Kind, cutoff: pd.Timestamp | None = None, model_version: str | None = None
) -> ForecastSet | None:
    """Return the set of the latest cutoff (or of this one) that was scored last; None where there is none."""
    statement = select(FORECAST_SETS).where(FORECAST_SETS.c.kind == kind)
    if cutoff is not None:
        statement = statement.where(FORECAST_SETS.c.cutoff == cutoff)
    if model_version is not None:
        statement = statement.where(FORECAST_SETS.c.model_version == model_version)
    newest = statement.order_by(FORECAST_SETS.c.cutoff.desc(), FORECAST_SETS.c.scored_at.desc()).limit(1)
    with engine.connect() as connection:
        row = connection.execute(newest).one_or_none()
    if row is None:
        return None
    tuples = {name: tuple(row._mapping[name]) for name in ("horizons", "components")}
    return ForecastSet(**{name: value for name, value in row._mapping.items() if name != "set_id"} | tuples)


def read_set(engine: Engine, set_id: str, ids: Sequence[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a set (of these ids): entity id and what was written of it, ordered by id within each 500 ids."""
    whole = (
        select(FORECASTS.c.entity_id, FORECASTS.c.content)
        .where(FORECASTS.c.set_id == set_id)
        .order_by(FORECASTS.c.entity_id)
    )
    parts = [ids[first : first + IDS_AT_ONCE] for first in range(0, len(ids), IDS_AT_ONCE)] if ids is not None else []
    statements = [whole] if ids is None else [whole.where(FORECASTS.c.entity_id.in_(part)) for part in parts]
    with engine.connect() as connection:
        for statement in statements:
            for row in connection.execute(statement):
                yield row.entity_id, row.content


def read_ranks(engine: Engine, set_id: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Entity id and what a list orders it by, for each row of a set: a risk at each horizon, or an urgency."""
    statement = select(FORECASTS.c.entity_id, FORECASTS.c.ranks).where(FORECASTS.c.set_id == set_id)
    with engine.connect() as connection:
        for row in connection.execute(statement):
            yield row.entity_id, tuple(row.ranks)


def sets_of(engine: Engine, entity_id: str) -> list[dict[str, Any]]:
    """Sets that hold a forecast of an id, the newest first: kind, cutoff, model_version, scored_at (UTC)."""
    sets = FORECAST_SETS.c
    wanted = select(sets.kind, sets.cutoff, sets.model_version, sets.scored_at)
    joined = wanted.join(FORECASTS, FORECASTS.c.set_id == sets.set_id).where(FORECASTS.c.entity_id == entity_id)
    with engine.connect() as connection:
        return [
            dict(row._mapping) for row in connection.execute(joined.order_by(sets.cutoff.desc(), sets.scored_at.desc()))
        ]
