"""An import says whose readings were set aside: the worst readings may be those of devices that fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.data.ingest import Batch, ImportReport, ingest
from aftercast.data.store import Store

AT = "2024-02-01T00:00:00Z"
MakeBatch = Callable[..., Batch]


@pytest.mark.parametrize("source", ["failures", "repairs"])
def test_an_import_says_how_many_devices_with_impossible_readings_failed(
    store: Store, batch: MakeBatch, source: Any
) -> None:
    spec = FleetSpec(name="f", sensors=(Sensor(name="sectors", low=0, high=3),), failures_from=source)
    ids = [f"D{k}" for k in range(20)]
    devices = [{"device_id": each, "device_model": "m", "installed_at": "2024-01-01T00:00:00Z"} for each in ids]
    readings = [{"device_id": each, "event_time": AT, "sectors": 8 if each in {"D7", "D9"} else 0} for each in ids]
    failed: dict[str, Any] = {"device_id": "D7", "component": "disk"}
    order = {"work_order_id": "W1", "opened_at": AT, "kind": "corrective"}
    failed |= {"event_time": AT} if source == "failures" else order
    batches = [batch("devices", *devices), batch(source, failed), batch("telemetry", *readings)]
    report: ImportReport = ingest(store, batches, spec, origin="test")
    (notice,) = [text for text in report.notices if "impossible" in text]
    assert "Readings of 2 devices were set aside as impossible (sectors); 1 of these devices have failed" in notice
    assert "of all devices 5.0%" in notice
