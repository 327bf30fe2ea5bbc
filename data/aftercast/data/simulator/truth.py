"""The truth of a simulated world, for tests only; never imported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aftercast.data.clocks import DAY_US
from aftercast.data.simulator.config import COMPONENTS
from aftercast.data.simulator.customers import CustomerLife
from aftercast.data.simulator.fleet import Device
from aftercast.data.simulator.hazards import DevicePath
from aftercast.data.simulator.write import TIME, Row, write_truth

PROBABILITIES = ("p_24h", "p_7d", "p_30d")


def hazard_tables(device: Device, path: DevicePath, start_us: int) -> tuple[pa.Table, pa.Table]:
    """Return hazards (per device, component, day) and probabilities (the same days as cutoffs)."""
    span = slice(device.first_day, device.retire)
    n, parts = device.retire - device.first_day, len(COMPONENTS)
    times = pa.array(
        (start_us + np.arange(device.first_day, device.retire, dtype=np.int64) * DAY_US).repeat(parts)
    ).cast(TIME)
    keys = {"device_id": pa.array([device.name] * (n * parts)), "component": pa.array(list(COMPONENTS) * n)}
    risk = 1 - np.exp(-path.cumulative[span].reshape(-1, 3))
    hazards = keys | {"time": times, "hazard": path.hazard[span].ravel(), "wear": path.wear[span].ravel()}
    return pa.table(hazards), pa.table(keys | {"cutoff": times} | {p: risk[:, i] for i, p in enumerate(PROBABILITIES)})


def write_part(writer: pq.ParquetWriter | None, path: Path, tables: list[pa.Table]) -> pq.ParquetWriter:
    """Append tables to a file, opening it first where there is no writer yet."""
    whole = pa.concat_tables(tables)
    writer = pq.ParquetWriter(path, whole.schema) if writer is None else writer
    writer.write_table(whole)
    return writer


def write_churn(folder: Path, lives: list[CustomerLife], start_us: int) -> None:
    """Write weekly cutoffs while the customer stayed: hazard of the day and frozen-state probabilities."""
    cutoffs = [np.arange(0, life.left, 7) for life in lives]
    names = [life.name for life in lives]
    hazard = np.concatenate([life.hazard[days] for life, days in zip(lives, cutoffs, strict=True)])
    columns = {
        "customer_id": np.repeat(np.array(names), [len(days) for days in cutoffs]).tolist(),
        "cutoff": start_us + np.concatenate(cutoffs).astype(np.int64) * DAY_US,
        "hazard": hazard,
    }
    frozen = {f"p_{h}d": 1 - np.exp(-hazard * h) for h in (30, 60, 90)}
    write_truth(folder, "churn", columns | frozen, ["cutoff"])


def write_treatments(folder: Path, rows: list[Row]) -> None:
    """Write summed 30-day hazards with and without the visit, of every triggered case."""
    names = ("action_id", "device_id", "component", "arm", "decided_at", "hazard_30d_treated", "hazard_30d_untreated")
    columns = {name: [row[name] for row in rows] for name in names}
    columns["decided_at"] = pa.array(columns["decided_at"], type=pa.int64())
    write_truth(folder, "treatments", columns, ["decided_at"])
