"""The operational database: answers, is whole, and its tables are those of this release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.operations.database import SchemaState, schema_state

LARGE_MB: Final = 500
PATIENCE_MS: Final = 2000
APART: Final = pd.Timedelta(seconds=5)


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say whether it can be used."""
    engine = deployment.connect()
    try:
        yield _revision(deployment, schema_state(engine))
        if engine.dialect.name == "sqlite":
            yield from _held(engine)
            yield from _damage(engine)
        else:
            yield from _clock(engine)
    finally:
        engine.dispose()


def _revision(deployment: Deployment, state: SchemaState) -> Finding:
    if state.up_to_date:
        return Finding("ok", f"The database answers and is at revision {state.newest}.")
    lacks = f"The database lacks {len(state.missing)} migrations of this release, the first is {state.missing[0]}."
    if deployment.settings.database.upgrade == "manual":
        lacks += " database.upgrade is manual: every other command refuses it."
    return Finding("problem", lacks, "Run `aftercast database upgrade`, after a backup.")


def _held(engine: Engine) -> Iterator[Finding]:
    """Whether another program keeps everybody from writing."""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={PATIENCE_MS}")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.rollback()
        except OperationalError:
            said = f"Another program holds {Path(engine.url.database or '').name}: nothing can be written."
            yield Finding("problem", said, "Close what has it open, such as a viewer, a backup or a long command.")


def _damage(engine: Engine) -> Iterator[Finding]:
    """What SQLite finds wrong with its own file; a large one is not read."""
    file = Path(engine.url.database or "")
    if file.stat().st_size > LARGE_MB * 1e6:
        yield Finding("ok", f"{file.name} is large and was not searched for damage.")
        return
    try:
        with engine.connect() as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    except DatabaseError:
        found = "unreadable"
    if found != "ok":
        yield Finding("problem", f"{file.name} is damaged.", "Stop what uses it, and bring it back from a backup.")


def _clock(engine: Engine) -> Iterator[Finding]:
    """Whether the server's clock and ours agree; what is written down is dated by either."""
    with engine.connect() as connection:
        theirs = pd.Timestamp(connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one())
    apart = abs(pd.Timestamp.now("UTC") - theirs)
    if apart > APART:
        said = f"Its clock and ours are {apart.total_seconds():,.0f} seconds apart."
        yield Finding("warning", said, "Let both follow a time server (NTP).")
