"""Features of facts that were taken back: as ever before, afterwards as if nobody had said them, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import Component, FaultCode, FleetSpec, Sensor
from aftercast.data.ingest import Batch, ingest
from aftercast.data.store import Store
from aftercast.features.build import build_device_features
from aftercast.features.examples import device_examples
from aftercast.features.history import load_history
from aftercast.operations.clocks import timestamp_us
from aftercast.operations.database.engine import open_database

BEGAN = pd.Timestamp("2024-02-01", tz="UTC")
BACK = BEGAN + pd.Timedelta(days=6)
SPEC = FleetSpec(
    name="x",
    sensors=(Sensor(name="volt"),),
    components=(Component(name="pump"),),
    fault_codes=(FaultCode(code="E1"),),
)


def batches(left_out: dict[str, int]) -> list[Batch]:
    """Tables of one device; of each named table without the row at a position."""
    rng = np.random.default_rng(4)
    times = pd.date_range(BEGAN, periods=240, freq="h").as_unit("us")
    events = pd.date_range(BEGAN + pd.Timedelta(hours=1), periods=8, freq="15h").as_unit("us")
    common: dict[str, Any] = {"device_id": "d1"}
    frames = {
        "devices": pd.DataFrame([{**common, "device_model": "m", "installed_at": BEGAN, "available_at": BEGAN}]),
        "telemetry": pd.DataFrame({**common, "event_time": times, "available_at": times, "volt": rng.normal(size=240)}),
        "faults": pd.DataFrame({**common, "event_time": events, "available_at": events, "code": "E1"}),
        "failures": pd.DataFrame({**common, "event_time": events, "available_at": events, "component": "pump"}),
    }
    return [
        Batch(name, frame.drop(index=left_out[name]) if name in left_out else frame, name)
        for name, frame in frames.items()
    ]


def features(store: Store, cutoffs: list[pd.Timestamp]) -> pd.DataFrame:
    history = load_history(store, SPEC)
    examples = device_examples(history, np.array([timestamp_us(each) for each in cutoffs], dtype=np.int64))
    return build_device_features(history, examples)


def opened(folder: Path) -> Store:
    folder.mkdir()
    return Store(str(folder / "store"), open_database("sqlite:///records.db", folder), 2)


@pytest.fixture
def stores(tmp_path: Path) -> Callable[..., Store]:
    def make(name: str, left_out: dict[str, int]) -> Store:
        store = opened(tmp_path / name)
        ingest(store, batches(left_out), SPEC, origin=name)
        return store

    return make


@pytest.mark.parametrize("table", ["telemetry", "faults", "failures"])
def test_features_are_those_of_a_fleet_of_which_it_was_never_said_from_then_on_and_not_before(
    table: str, stores: Callable[..., Store]
) -> None:
    position = 5
    whole, without, changed = stores("whole", {}), stores("without", {table: position}), stores("changed", {})
    frame = next(batch.frame for batch in batches({}) if batch.table == table)
    row = frame.iloc[[position]].assign(withdrawn=True, available_at=BACK)
    report = ingest(changed, [Batch(table, row, "back")], SPEC, origin="back")
    assert report.table(table).withdrawn == 1
    before = [BACK - pd.Timedelta(hours=hours) for hours in (1, 30, 100)]
    after = [BACK + pd.Timedelta(hours=hours) for hours in (0, 1, 30)]
    pd.testing.assert_frame_equal(features(changed, before), features(whole, before))
    pd.testing.assert_frame_equal(features(changed, after), features(without, after))
    assert not features(whole, before).equals(features(without, before))
