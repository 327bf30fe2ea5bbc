"""What spoils telemetry on its way: silence, outages, lying sensors, late bursts, duplicates, disorder."""

from __future__ import annotations

import numpy as np

from aftercast.data.arrays import Floats, Ints
from aftercast.data.simulator.config import FleetConfig
from aftercast.data.simulator.fleet import Device, generator
from aftercast.operations.clocks import HOUR_US


def spoil(device: Device, values: Floats, start_us: int, seed: int, config: FleetConfig) -> tuple[Ints, Ints, Floats]:
    """Return event times, availability (both microseconds) and values as delivered, in delivery order."""
    rng = generator(seed, 5, device.index)
    event = start_us + (device.first_day * 24 + np.arange(len(values), dtype=np.int64)) * HOUR_US
    values, keep = _lie(rng, values, config), _silence(rng, len(values), config)
    available = event + rng.integers(1, 120, len(event)) * 1_000_000
    available = _delay(rng, event, available, config)
    rows = np.flatnonzero(keep)
    rows = np.concatenate([rows, rows[rng.random(len(rows)) < config.duplicate_share]])
    rows = rows[np.argsort(available[rows], kind="stable")]
    return event[rows], available[rows], values[rows]


def _silence(rng: np.random.Generator, hours: int, config: FleetConfig) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    keep = np.ones(hours, dtype=np.bool_)
    fate, when, outage = rng.random(), rng.random(), rng.random()
    length = int(rng.integers(12, 240))
    if fate < config.dark_share:
        keep[:] = False
    elif fate < config.dark_share + config.stops_share:
        keep[int(when * hours) :] = False
    if outage < config.outage_share:
        first = int(outage / config.outage_share * hours)
        keep[first : first + length] = False
    return keep


def _lie(rng: np.random.Generator, values: Floats, config: FleetConfig) -> Floats:
    chance, kind, sensor, when = rng.random(), int(rng.integers(3)), int(rng.integers(4)), rng.random()
    if chance >= config.lying_share:
        return values
    first = int(when * len(values) * 0.8)
    values = values.copy()
    if kind == 0:
        values[first:, sensor] = values[first, sensor]
    else:
        values[first::7, sensor] = -9999.0 if kind == 1 else 1e12
    return values


def _delay(rng: np.random.Generator, event: Ints, available: Ints, config: FleetConfig) -> Ints:
    late = rng.random(len(event)) < config.late_share / 5
    available = available + late * rng.integers(1, 96, len(event)) * HOUR_US
    hour = np.arange(len(event))
    block = hour // 48
    burst = rng.random(int(block.max(initial=0)) + 1) < config.late_share
    uploaded = event + (48 - hour % 48) * HOUR_US
    return np.where(burst[block], np.maximum(available, uploaded), available)
