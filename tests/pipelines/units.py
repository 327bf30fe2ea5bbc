"""Units run to failure, for tests of remaining life: some failed, some still run, some cannot be judged."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.fleet import Component, FleetSpec, Sensor
from aftercast.data.ingest.batches import Batch
from aftercast.data.ingest.importer import ingest
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.operations.clocks import parse_time

BEGAN: Final = parse_time("2025-01-01")
DAY: Final = pd.Timedelta(days=1)
SPEC: Final = FleetSpec(
    name="life",
    sensors=tuple(Sensor(name=name) for name in ("setting_load", "heat", "flow", "hum")),
    components=(Component(name="rotor", repairable=False),),
)
FAILED, RUNNING = 24, 6


def tables() -> dict[str, pd.DataFrame]:
    """Units run to failure, units still running of which one is too young, and one that never reported."""
    rng = np.random.default_rng(3)
    devices, telemetry, failures = [], [], []
    for unit in range(FAILED + RUNNING):
        name, life = f"U{unit}", int(rng.integers(45, 100))
        seen = life if unit < FAILED else 4 if unit == FAILED else int(life * rng.uniform(0.4, 0.95))
        wear = (np.arange(1, seen + 1) / life) ** 2
        times = BEGAN + np.arange(1, seen + 1) * DAY
        values = {
            "setting_load": np.ones(seen),
            "heat": 500 + 10 * wear + rng.normal(0, 1, seen),
            "flow": 80 - 4 * wear + rng.normal(0, 0.4, seen),
            "hum": rng.normal(0, 1, seen),
        }
        telemetry.append(pd.DataFrame({"device_id": name, "event_time": times, "available_at": times, **values}))
        devices.append({"device_id": name, "device_model": "M", "installed_at": BEGAN, "available_at": BEGAN})
        if unit < FAILED:
            moment = times[-1] + DAY
            failures.append({"device_id": name, "event_time": moment, "component": "rotor", "available_at": moment})
    devices.append({"device_id": "U99", "device_model": "M", "installed_at": BEGAN, "available_at": BEGAN})
    frames = {"devices": pd.DataFrame(devices), "failures": pd.DataFrame(failures), "telemetry": pd.concat(telemetry)}
    return {name: timed(frame) for name, frame in frames.items()}


def timed(frame: pd.DataFrame) -> pd.DataFrame:
    times = [name for name in frame.columns if name.endswith(("_at", "_time"))]
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True).astype("datetime64[us, UTC]") for name in times})


def add(workspace: Workspace, frames: dict[str, pd.DataFrame]) -> None:
    report = ingest(workspace.store, [Batch(n, f, n) for n, f in frames.items()], workspace.fleet, origin="test")
    assert all(table.quarantined == {} for table in report.tables.values())


def filled(folder: Path) -> Workspace:
    """Workspace of two device buckets, which are soon read."""
    create_workspace(folder, SPEC)
    file = folder / "aftercast.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("device_buckets = 8", "device_buckets = 2"))
    workspace = open_workspace(folder)
    assert workspace.store.device_buckets == 2
    add(workspace, tables())
    return workspace
