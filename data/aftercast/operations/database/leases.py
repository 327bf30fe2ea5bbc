"""Leases: at most one holder of a name at a time, for what has no file lock; a holder that dies loses it in time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pandas as pd
from sqlalchemy import Column, Engine, String, Table, delete, or_, update

from aftercast.operations.database.tables import METADATA, UtcTime, insert_once, utc_now

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", UtcTime, nullable=False),
)


def take_lease(engine: Engine, name: str, holder: str, length: timedelta) -> bool:
    """Take or prolong a lease from now on; False while another holder has it."""
    now = utc_now()
    values = {"holder": holder, "until": now + pd.Timedelta(length)}
    free = or_(LEASES.c.holder == holder, LEASES.c.until < now)
    with engine.begin() as connection:
        if insert_once(connection, LEASES, name=name, **values):
            return True
        taken = update(LEASES).where(LEASES.c.name == name, free).values(**values)
        return connection.execute(taken.execution_options(preserve_rowcount=True)).rowcount == 1


def end_lease(engine: Engine, name: str, holder: str) -> None:
    """Give a lease back; nothing happens where another holder has it by now."""
    with engine.begin() as connection:
        connection.execute(delete(LEASES).where(LEASES.c.name == name, LEASES.c.holder == holder))
