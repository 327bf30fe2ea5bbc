"""Databases of a test's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from aftercast.operations.database.engine import open_database

Fresh = Callable[[], str]
POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Fresh]:
    """Make databases of our own on the local PostgreSQL; gives the address of a new, empty one."""
    server = create_engine(f"{POSTGRES}/postgres", isolation_level="AUTOCOMMIT")
    names: list[str] = []

    def fresh() -> str:
        names.append(f"aftercast_{uuid.uuid4().hex[:12]}")
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {names[-1]}"))
        return f"{POSTGRES}/{names[-1]}"

    try:
        server.connect().close()
    except OperationalError:
        pytest.skip("no PostgreSQL answers on 127.0.0.1:5432")
    yield fresh
    with server.connect() as connection:
        for name in names:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


@pytest.fixture
def on_server(postgres: Fresh, tmp_path: Path) -> Iterator[Engine]:
    """Return an opened database of our own on the local PostgreSQL."""
    engine = open_database(postgres(), tmp_path)
    yield engine
    engine.dispose()
