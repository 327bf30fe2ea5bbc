"""Boosters growing side by side: LightGBM's number of threads is one setting of the process, so none may change it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from aftercast.features.labels import Labels
from aftercast.models.hazard import HazardModel, HazardSettings
from aftercast.operations.clocks import DAY_US, NEVER

ROWS, COLUMNS, SPARSE, COMPONENTS = 1_500, 110, 80, tuple("abcdefghijklmnopqrst")


def grow(times: int) -> None:
    """Fit small models on many mostly empty columns, as churn has them, eight boosters at a time."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(ROWS, COLUMNS))
    values[:, :SPARSE] *= rng.random((ROWS, SPARSE)) < 0.05
    features = pd.DataFrame(values.astype(np.float32), columns=[f"f{i}" for i in range(COLUMNS)])
    time = np.where(rng.random((ROWS, len(COMPONENTS))) < 0.02, DAY_US, NEVER)
    labels = Labels(time, np.full(time.shape, 9 * DAY_US), COMPONENTS, np.ones(ROWS, dtype=bool))
    settings = HazardSettings(fallback_rounds=2, num_leaves=4, workers=8)
    for _ in range(times):
        HazardModel.fit(features, labels, (2 * DAY_US,), COMPONENTS, settings)


@pytest.mark.slow
def test_many_boosters_at_once_do_not_crash_the_process() -> None:
    free = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, __file__, "40"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=free)
    assert done.returncode == 0, f"ended by {done.returncode}: {done.stderr[-2000:]}"


if __name__ == "__main__":
    grow(int(sys.argv[1]))
