"""Which columns of a place could be which of a table, and how well the place fits the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aftercast.data.contract import TABLES, Column, Kind, Table
from aftercast.data.ingest.proposal.candidates import Candidate
from aftercast.data.ingest.proposal.contents import Content
from aftercast.data.ingest.proposal.names import COLUMN_NAMES, NEAR, TABLE_NAMES, likeness
from aftercast.data.ingest.proposal.words import WORDS, can_map
from aftercast.data.ingest.sources.derived import NUMBERED
from aftercast.data.ingest.sources.telemetry_shapes import LONG

SPARE: Final = {"devices": ("device_model",), "failures": ("component",), "repairs": ("kind",)}
"""Required columns that a file may lack, since one value for all rows will do."""
OWNERS: Final = {"devices": "device_id", "customers": "customer_id"}
NAME_WEIGHT: Final = 1.5
REQUIRED_WEIGHT: Final = 2.0
OPTIONAL_WEIGHT: Final = 0.3
UNIQUE_WEIGHT: Final = 1.0
SENSOR_WEIGHT: Final = 1.5


@dataclass(frozen=True)
class Match:
    """A place read as a table.

    Attributes
    ----------
    columns
        Column of the contract -> column of the place.
    rivals
        Column of the contract -> all columns of the place that are like it, the best first.
    """

    table: str
    score: float
    columns: dict[str, str]
    rivals: dict[str, tuple[str, ...]]

    @property
    def is_possible(self) -> bool:
        """Whether every required column is there, but those that can be filled in."""
        return not self.absent

    @property
    def absent(self) -> tuple[str, ...]:
        """Required columns that no column of the place is like."""
        spare = (*SPARE.get(self.table, ()), NUMBERED.get(self.table, ""))
        return tuple(name for name in TABLES[self.table].required if name not in self.columns and name not in spare)


def match(candidate: Candidate, name: str) -> Match:
    """Read a place as a table, as well as its names and cells allow."""
    table = TABLES[name]
    found = sorted(
        (
            (_score(raw, content, column, table, candidate.shared), -place, column.name, raw)
            for column in _columns(table)
            for place, (raw, content) in enumerate(candidate.contents.items())
        ),
        reverse=True,
    )
    columns: dict[str, str] = {}
    rivals: dict[str, list[str]] = {}
    for score, _, column, raw in found:
        if score > 0:
            rivals.setdefault(column, []).append(raw)
            if column not in columns and raw not in columns.values():
                columns[column] = raw
    if name == "telemetry" and not set(LONG) <= columns.keys():
        columns = {column: raw for column, raw in columns.items() if column not in LONG}
    return Match(name, _fit(candidate, table, columns), columns, {k: tuple(v) for k, v in rivals.items()})


def _columns(table: Table) -> list[Column]:
    long = [Column("sensor", "text"), Column("value", "float")] if table.name == "telemetry" else []
    return [*table.columns, *long]


def _score(raw: str, content: Content, column: Column, table: Table, shared: str) -> float:
    like = likeness(raw, column.name, COLUMN_NAMES.get(column.name, ()))
    if raw == shared and column.name in OWNERS.values() and column.required:
        like = max(like, NEAR)
    if like == 0 or not _holds(content, column.kind):
        return 0.0
    choices = (table.name, column.name)
    if column.choices is not None and not column.required and not can_map(content, choices):
        return 0.0  # a value that the contract lacks would set the whole row aside
    if choices in WORDS and len(content.held) > 30:
        return 0.0
    return like


def _holds(content: Content, kind: Kind) -> bool:
    if len(content.held) == 0:
        return True
    if kind in {"time", "date"}:
        return content.is_time or bool(content.epoch)
    if kind in {"float", "int"}:
        return content.is_number
    return not content.is_time


def _fit(candidate: Candidate, table: Table, columns: dict[str, str]) -> float:
    filled = {*columns, *SPARE.get(table.name, ()), NUMBERED.get(table.name, "")}
    required = table.required
    share = sum(name in filled for name in required) / len(required)
    optional = sum(1 for name in columns if name not in required)
    titled = likeness(candidate.title, table.name, TABLE_NAMES[table.name])
    score = NAME_WEIGHT * titled + REQUIRED_WEIGHT * share + OPTIONAL_WEIGHT * optional
    return score + _by_content(candidate, table, columns)


def _by_content(candidate: Candidate, table: Table, columns: dict[str, str]) -> float:
    owner = columns.get(OWNERS.get(table.name, ""))
    if owner is not None and len(candidate.sample) > 0:
        once = candidate.sample[owner].nunique() / len(candidate.sample)
        return UNIQUE_WEIGHT if once > 0.95 else -UNIQUE_WEIGHT * 2
    if table.name == "telemetry":
        others = [content for raw, content in candidate.contents.items() if raw not in columns.values()]
        if set(LONG) <= columns.keys():
            return SENSOR_WEIGHT
        numeric = sum(content.is_number for content in others)
        return SENSOR_WEIGHT * numeric / len(others) if numeric else -SENSOR_WEIGHT
    return 0.0
