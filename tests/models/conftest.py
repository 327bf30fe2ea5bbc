"""Simulated devices with a known hazard, for every test of models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from aftercast.features.examples import Examples
from aftercast.features.labels import Labels
from aftercast.operations.clocks import DAY_US, NEVER


@dataclass(frozen=True)
class World:
    """Daily rows of devices: ``stress`` raises the daily hazard of ``pump``; ``fan`` fails at a constant one."""

    features: pd.DataFrame
    examples: Examples
    labels: Labels
    truth: npt.NDArray[np.float64]


def _world(devices: int = 150, days: int = 60, seed: int = 1, base: float = 0.01) -> World:
    rng = np.random.default_rng(seed)
    n = devices * days
    stress = rng.normal(size=n).astype(np.float32)
    hazard = np.column_stack([1 / (1 + np.exp(-(np.log(base) + 1.5 * stress))), np.full(n, base)])
    day = np.ceil(rng.exponential(size=(n, 2)) / -np.log1p(-hazard))
    time = np.where(day <= 7, day.astype(np.int64) * DAY_US, NEVER)
    models = pd.Categorical.from_codes(rng.integers(0, 2, n), pd.Index(["A", "B"], dtype="str"))
    features = pd.DataFrame(
        {
            "stress": stress,
            "noise": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)).astype(np.float32),
            "device_age_days": rng.uniform(0, 900, n).astype(np.float32),
            "faults_count_24h": (stress > 1.5).astype(np.float32),
            "device_model": models,
        }
    )
    ids = np.repeat([f"d{i:04d}" for i in range(devices)], days)
    cutoffs = np.tile(np.arange(days, dtype=np.int64) * DAY_US, devices)
    labels = Labels(time, np.full((n, 2), 30 * DAY_US), ("pump", "fan"), np.ones(n, dtype=bool))
    return World(features, Examples(ids, cutoffs, "device_id"), labels, hazard)


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    return _world


@pytest.fixture(scope="session")
def world() -> World:
    return _world()
