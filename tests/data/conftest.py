"""A store in a fresh folder, and small tables to put into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.data.ingest import Batch, ImportReport, ingest
from aftercast.data.store import Store
from aftercast.operations.database.engine import open_database

MakeStore = Callable[[str], Store]
Load = Callable[..., ImportReport]


def open_store(folder: Path) -> Store:
    """Store of a folder, with four buckets."""
    folder.mkdir(parents=True, exist_ok=True)
    return Store(str(folder / "store"), open_database("sqlite:///records.db", folder), 4)


@pytest.fixture
def make_store(tmp_path: Path) -> MakeStore:
    """Return a function that opens the store of a name."""
    return lambda name: open_store(tmp_path / name)


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """Return an empty store."""
    return make_store("fresh")


@pytest.fixture
def spec() -> FleetSpec:
    """Return a fleet with two sensors; volt lies between 0 and 300."""
    return FleetSpec(name="test", sensors=(Sensor(name="volt", unit="V", low=0, high=300), Sensor(name="heat")))


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Return a function that makes a batch of a table from rows."""

    def make(table: str, *rows: dict[str, Any], **more: Any) -> Batch:
        return Batch(table, pd.DataFrame(list(rows)), **({"origin": f"{table}.csv"} | more))

    return make


@pytest.fixture
def device() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a devices row."""

    def make(device_id: str = "d1", **more: Any) -> dict[str, Any]:
        row = {"device_id": device_id, "device_model": "m", "installed_at": "2024-01-01T00:00:00Z"}
        return row | {"available_at": "2024-01-01T00:00:00Z"} | more

    return make


@pytest.fixture
def reading() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a telemetry row of an hour of 2024-02-01; known at its own time by default."""

    def make(hour: int, device_id: str = "d1", known: str | None = None, **sensors: Any) -> dict[str, Any]:
        moment = f"2024-02-01T{hour:02d}:00:00Z"
        return {"device_id": device_id, "event_time": moment, "available_at": known or moment, **sensors}

    return make


@pytest.fixture
def load(store: Store, spec: FleetSpec) -> Load:
    """Return a function that imports batches into the store."""

    def run(*batches: Batch, into: Store | None = None) -> ImportReport:
        return ingest(store if into is None else into, batches, spec, origin="test")

    return run
