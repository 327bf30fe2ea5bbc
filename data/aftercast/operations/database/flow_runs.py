"""What each flow run did, by its key: started, finished or failed, and the result it returned; one row a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd
from sqlalchemy import Column, Engine, Integer, String, Table, select, update

from aftercast.operations.database.tables import JSON_OR_NULL, METADATA, UtcTime, insert_once, utc_now

FLOW_RUNS: Final = Table(
    "flow_runs",
    METADATA,
    Column("flow", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("result", JSON_OR_NULL),
)


@dataclass(frozen=True)
class FlowRun:
    """One key of one flow.

    Attributes
    ----------
    state
        ``started`` until its result is recorded, ``failed`` where it ended by an error; a run that was killed stays
        ``started``. One that did not finish is done again.
    attempts
        How often it was started, at least 1.
    result
        What it returned; None until it finished.
    """

    flow: str
    key: str
    state: Literal["started", "finished", "failed"]
    attempts: int
    started_at: pd.Timestamp
    finished_at: pd.Timestamp | None
    result: dict[str, Any] | None


def find_flow_run(engine: Engine, flow: str, key: str) -> FlowRun | None:
    """Return the recorded run of a key, None where there was none."""
    statement = select(FLOW_RUNS).where(FLOW_RUNS.c.flow == flow, FLOW_RUNS.c.key == key)
    with engine.connect() as connection:
        row = connection.execute(statement).one_or_none()
    return None if row is None else FlowRun(**row._mapping)


def list_flow_runs(engine: Engine, limit: int = 20) -> list[FlowRun]:
    """Newest runs first."""
    statement = select(FLOW_RUNS).order_by(FLOW_RUNS.c.started_at.desc(), FLOW_RUNS.c.key).limit(limit)
    with engine.connect() as connection:
        return [FlowRun(**row._mapping) for row in connection.execute(statement)]


def record_start(engine: Engine, flow: str, key: str) -> None:
    """Record that a run starts, for the first time or again after one that did not finish."""
    values = {"state": "started", "started_at": utc_now(), "finished_at": None, "result": None}
    with engine.begin() as connection:
        if not insert_once(connection, FLOW_RUNS, flow=flow, key=key, attempts=1, **values):
            again = update(FLOW_RUNS).where(FLOW_RUNS.c.flow == flow, FLOW_RUNS.c.key == key)
            connection.execute(again.values(attempts=FLOW_RUNS.c.attempts + 1, **values))


def record_finish(engine: Engine, flow: str, key: str, result: dict[str, Any]) -> None:
    """Record what a started run returned."""
    done = update(FLOW_RUNS).where(FLOW_RUNS.c.flow == flow, FLOW_RUNS.c.key == key)
    with engine.begin() as connection:
        connection.execute(done.values(state="finished", finished_at=utc_now(), result=result))


def record_failure(engine: Engine, flow: str, key: str) -> None:
    """Record that a started run ended by an error."""
    failed = update(FLOW_RUNS).where(FLOW_RUNS.c.flow == flow, FLOW_RUNS.c.key == key)
    with engine.begin() as connection:
        connection.execute(failed.values(state="failed", finished_at=utc_now()))
