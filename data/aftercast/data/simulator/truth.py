"""The truth of a simulated world, for tests only; never imported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from aftercast.data.arrays import Floats
from aftercast.data.simulator.config import COMPONENTS
from aftercast.data.simulator.customers import CustomerLife
from aftercast.data.simulator.fleet import Device
from aftercast.data.simulator.hazards import DevicePath
from aftercast.data.simulator.write import TIME, Row
from aftercast.operations.clocks import DAY_US

PROBABILITIES = ("p_24h", "p_7d", "p_30d")
CHURN_DAYS = (30, 60, 90)
TREATMENT = {
    "action_id": pa.string(),
    "device_id": pa.string(),
    "component": pa.string(),
    "arm": pa.string(),
    "decided_at": TIME,
    "hazard_30d_treated": pa.float64(),
    "hazard_30d_untreated": pa.float64(),
}


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


def churn_table(lives: Sequence[CustomerLife], start_us: int) -> pa.Table:
    """Return weekly cutoffs while the customer stayed, with the probability of leaving in (cutoff, cutoff + H].

    ``hazard`` is the day's. ``p_30d``, ``p_60d``, ``p_90d`` freeze it: 1 - exp(-hazard H). ``lived_30d`` and so on sum
    the hazards that followed, with the failures that came; NaN where the period ends before H.
    """
    cutoffs = [np.arange(0, life.left, 7) for life in lives]
    hazard = np.concatenate([life.hazard[days] for life, days in zip(lives, cutoffs, strict=True)])
    columns = {
        "customer_id": np.repeat([life.name for life in lives], [len(days) for days in cutoffs]).tolist(),
        "cutoff": pa.array(start_us + np.concatenate(cutoffs).astype(np.int64) * DAY_US).cast(TIME),
        "hazard": hazard,
    }
    for days in CHURN_DAYS:
        columns[f"p_{days}d"] = 1 - np.exp(-hazard * days)
    for days in CHURN_DAYS:
        sums = [_ahead(life.hazard, days)[at] for life, at in zip(lives, cutoffs, strict=True)]
        columns[f"lived_{days}d"] = 1 - np.exp(-np.concatenate(sums))
    return pa.table(columns)


def _ahead(hazard: Floats, days: int) -> Floats:
    """Sum over the next days from each day's start, shape (len(hazard),); NaN where they are not all there."""
    total = np.concatenate([[0.0], np.cumsum(hazard)])
    sums = np.full(len(hazard), np.nan)
    if len(hazard) >= days:
        sums[: len(hazard) - days + 1] = total[days:] - total[:-days]
    return sums


def treatment_table(rows: Sequence[Row]) -> pa.Table:
    """Return summed 30-day hazards with and without the visit, of every triggered case."""
    return pa.table({name: pa.array([row[name] for row in rows], type=kind) for name, kind in TREATMENT.items()})
