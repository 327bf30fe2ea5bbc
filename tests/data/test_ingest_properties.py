"""However records are split, repeated and shuffled into batches, the store says the same."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.data.ingest import Batch, ingest
from aftercast.data.store import Store
from aftercast.operations.database.engine import open_database

SPEC = FleetSpec(name="test", sensors=(Sensor(name="volt"), Sensor(name="heat")))
START = pd.Timestamp("2024-02-01", tz="UTC")
HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)
DEVICES = pd.DataFrame(
    {"device_id": ["a", "b"], "device_model": "m", "installed_at": "2024-01-01T00:00:00Z", "available_at": START}
)
Cell = tuple[str, int, int, str]
"""Device, hour of the event, hours until known, sensor."""

cells = st.sets(
    st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 2), st.sampled_from(["volt", "heat"])),
    min_size=1,
    max_size=16,
)


def value(cell: Cell) -> float:
    """Value of a cell; the last version says again what the first one said."""
    device, hour, delay, sensor = cell
    return float(1000 * (device == "b") + 100 * hour + 10 * (delay % 2) + (sensor == "heat"))


def record(pieces: list[Cell]) -> dict[str, Any]:
    device, hour, delay, _ = pieces[0]
    event = START + hour * HOUR
    sensors = {cell[3]: value(cell) for cell in pieces}
    return {"device_id": device, "event_time": event, "available_at": event + delay * HOUR} | sensors


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[set[Cell], list[list[dict[str, Any]]], int]:
    """Cells, and batches of records (whole rows or pieces, some repeated, in any order) that deliver all."""
    wanted = draw(cells)
    records = [record([cell]) for cell in sorted(wanted)]
    for cell in draw(st.lists(st.sampled_from(sorted(wanted)), max_size=8)):
        siblings = sorted(other for other in wanted if other[:3] == cell[:3])
        records.append(record(siblings))
    order = draw(st.permutations(records))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=4)) | {len(order)})
    batches = [order[start:stop] for start, stop in zip([0, *cuts], cuts, strict=False)]
    return wanted, batches, draw(st.sampled_from([1, 5, 1000]))


def stored_cells(store: Store) -> dict[Cell, float]:
    """Every stored cell; fails where one is stored with two values."""
    found: dict[Cell, float] = {}
    frame = store.read("telemetry", columns=["device_id", "event_time", "available_at", "volt", "heat"])
    hours = (frame["event_time"] - START).dt.total_seconds().div(3600).astype(int).tolist()
    delays = (frame["available_at"] - frame["event_time"]).dt.total_seconds().div(3600).astype(int).tolist()
    for sensor in ("volt", "heat"):
        numbers = frame[sensor].tolist()
        for device, hour, delay, number in zip(frame["device_id"].tolist(), hours, delays, numbers, strict=True):
            if not math.isnan(number):
                assert found.setdefault((device, hour, delay, sensor), number) == number
    return found


@settings(max_examples=12, deadline=None)
@given(deliveries(), st.booleans())
def test_any_split_repetition_and_order_gives_the_same_store(
    delivery: tuple[set[Cell], list[list[dict[str, Any]]], int], one_import: bool
) -> None:
    wanted, parts, rows_at_once = delivery
    batches = [Batch("telemetry", pd.DataFrame(part), f"part {i}") for i, part in enumerate(parts)]
    devices = Batch("devices", DEVICES, "devices")
    with tempfile.TemporaryDirectory() as folder:
        database = open_database("sqlite:///records.db", Path(folder))
        store = Store(str(Path(folder, "store")), database, 2)
        imports = [[devices, *batches]] if one_import else [[devices], *[[batch] for batch in batches]]
        for portion in imports:
            ingest(store, portion, SPEC, origin="test", rows_at_once=rows_at_once)
        assert stored_cells(store) == {cell: value(cell) for cell in wanted}
        assert len(store.quarantine()) == 0
        version = store.version()
        again = ingest(store, batches[::-1], SPEC, origin="again", rows_at_once=rows_at_once)
        assert (again.published, store.version()) == (False, version)
        database.dispose()


states = st.lists(
    st.tuples(st.sampled_from(["w1", "w2"]), st.integers(0, 5), st.sampled_from(["pump", "motor"])),
    min_size=1,
    max_size=10,
    unique_by=lambda state: state[:2],
)
"""States of work orders: order, day on which it was known, component; repeats are drawn."""


@settings(max_examples=25, deadline=None)
@given(states, st.data())
def test_in_any_order_of_arrival_the_same_is_believed_at_every_time(
    drawn: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    def order(state: tuple[str, int, str]) -> dict[str, Any]:
        row = {"work_order_id": state[0], "device_id": "a", "opened_at": START, "kind": "inspection"}
        return row | {"component": state[2], "available_at": START + state[1] * DAY}

    arrival = data.draw(st.permutations(drawn))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(arrival)), max_size=3)) | {len(arrival)})
    with tempfile.TemporaryDirectory() as folder:
        database = open_database("sqlite:///records.db", Path(folder))
        store = Store(str(Path(folder, "store")), database, 2)
        ingest(store, [Batch("devices", DEVICES, "devices")], SPEC, origin="test")
        for start, stop in zip([0, *cuts], cuts, strict=False):
            part = pd.DataFrame([order(state) for state in arrival[start:stop]])
            ingest(store, [Batch("repairs", part, f"part {start}")], SPEC, origin="test")
        for day in range(6):
            known = store.read("repairs", known_at=START + day * DAY)
            believed = known.groupby("work_order_id")["component"].last().to_dict()
            told = {name: part for name, at, part in sorted(drawn, key=lambda each: each[1]) if at <= day}
            assert believed == told
        database.dispose()
