"""Folds of whole units: no unit is on both sides."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aftercast.models.aliases import Ints
from aftercast.models.kinds.remaining_life.trajectories import Trajectories


def unit_folds(units: int, folds: int) -> Ints:
    """Fold of each unit, of sizes that differ by one at most."""
    return (np.random.default_rng(0).permutation(units) % folds).astype(np.int64)


def part(trajectories: Trajectories, chosen: Ints) -> Trajectories:
    """Trajectories of some units, named by ascending position."""
    slices = list(trajectories.slices())
    rows = np.concatenate([np.arange(slices[unit].start, slices[unit].stop) for unit in chosen])
    lengths = np.diff(trajectories.starts)[chosen]
    return Trajectories(
        tuple(trajectories.units[unit] for unit in chosen),
        np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        trajectories.cycles[rows],
        trajectories.settings[rows],
        trajectories.sensors[rows],
    )


def remaining(trajectories: Trajectories) -> pd.Series:
    """Cycles from each row to its unit's last, n: remaining life where units were run to failure."""
    last = trajectories.cycles[trajectories.last_rows][trajectories.unit_of_row]
    return pd.Series(last - trajectories.cycles, name="remaining")
