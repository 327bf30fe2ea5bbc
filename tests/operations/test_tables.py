"""Times, JSON and rows inserted once mean the same on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, UniqueConstraint, insert, select
from sqlalchemy.exc import IntegrityError, StatementError

from aftercast.operations.database.engine import open_database
from aftercast.operations.database.forecasts import ForecastSet, newest_set, write_set
from aftercast.operations.database.risk_lists import has_room, list_lists, read_list, write_list
from aftercast.operations.database.tables import JSON_OR_NULL, UtcTime, insert_once

NOON = pd.Timestamp("2026-03-01T12:00:00.000001+00:00")
IN_CAIRO = pd.Timestamp("2026-03-01T14:00:00.000001+02:00")
OWN = Table(
    "own",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("moment", UtcTime, nullable=False),
    Column("name", String),
    Column("content", JSON_OR_NULL),
    UniqueConstraint("name"),
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.service)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Return an operational database with a table of our own."""
    if request.param == "postgresql":
        opened: Engine = request.getfixturevalue("on_server")
    else:
        opened = open_database("sqlite:///records.db", tmp_path)
    OWN.create(opened)
    yield opened
    opened.dispose()


def test_a_time_is_the_same_instant_whatever_zone_it_is_written_or_asked_in(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(OWN).values(id=1, moment=IN_CAIRO))
        for asked in (NOON, IN_CAIRO):
            found = connection.execute(select(OWN.c.moment).where(OWN.c.moment == asked)).scalar_one()
            assert (found, str(found.tz), found.unit) == (NOON, "UTC", "us")
        assert connection.execute(select(OWN.c.id).where(OWN.c.moment < NOON)).all() == []


def test_a_time_without_a_zone_is_refused(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(StatementError, match="without a zone"):
        connection.execute(insert(OWN).values(id=1, moment=pd.Timestamp("2026-03-01")))


def test_json_keeps_every_letter_and_null_is_no_value(engine: Engine) -> None:
    content = {"name": "\u6c34\u6cf5 \ud83d \u0000", "share": 0.1 + 0.2}
    with engine.begin() as connection:
        connection.execute(insert(OWN).values(id=1, moment=NOON, content=content))
        connection.execute(insert(OWN).values(id=2, moment=NOON, content=None))
        assert connection.execute(select(OWN.c.content).where(OWN.c.id == 1)).scalar_one() == content
        assert connection.execute(select(OWN.c.id).where(OWN.c.content.is_(None))).scalar_one() == 2


def test_a_row_is_inserted_once_and_stays_as_it_was(engine: Engine) -> None:
    with engine.begin() as connection:
        assert insert_once(connection, OWN, id=1, moment=NOON, name="first")
        assert not insert_once(connection, OWN, id=1, moment=NOON, name="second")
        assert connection.execute(select(OWN.c.name)).scalar_one() == "first"


@pytest.mark.parametrize("wrong", [{"moment": None, "name": "other"}, {"moment": NOON, "name": "taken"}])
def test_no_other_broken_rule_passes_for_a_row_that_was_there(engine: Engine, wrong: dict[str, object]) -> None:
    with engine.begin() as connection:
        insert_once(connection, OWN, id=1, moment=NOON, name="taken")
    with engine.begin() as connection, pytest.raises(IntegrityError):
        insert_once(connection, OWN, id=2, **wrong)


def scores_at(cutoff: pd.Timestamp) -> ForecastSet:
    return ForecastSet("failure", cutoff, "1", 1, ("7d",), ("pump",))


def test_a_cutoff_in_another_zone_is_the_same_set_of_forecasts(engine: Engine) -> None:
    assert scores_at(NOON).set_id == scores_at(IN_CAIRO).set_id
    assert write_set(engine, scores_at(NOON), [("D1", [0.5], {"any": 0.5})])
    assert not write_set(engine, scores_at(IN_CAIRO), [("D1", [0.5], {"any": 0.5})])
    found = newest_set(engine, "failure", IN_CAIRO)
    assert found is not None
    assert (found.cutoff, found.horizons, found.components, found.size) == (NOON, ("7d",), ("pump",), 1)


def test_a_cutoff_in_another_zone_is_the_same_for_risk_lists(engine: Engine) -> None:
    content = {"cutoff": IN_CAIRO.isoformat(), "horizon": "7d", "rows": [{"device_id": "D1"}]}
    assert write_list(engine, "a", content)
    assert not write_list(engine, "a", content)
    assert not has_room(engine, "b", NOON.isoformat(), rows=1, most_rows=3)
    assert has_room(engine, "b", NOON.isoformat(), rows=1, most_rows=4)
    assert read_list(engine, "a") == content
    assert [found["cutoff"] for found in list_lists(engine)] == [NOON]
