"""Deviation of a device from the devices of its model at the same cutoff: the second stage, over all examples."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.examples import Examples
from aftercast.features.scope import Feature, Scope, label
from aftercast.features.windows.cohorts import group_deviation

MINIMUM_COHORT: Final = 5


def cohort_features(scope: Scope) -> list[Feature]:
    """Columns that the second stage adds."""
    window = label(scope.windows[0])
    about = f"(mean in {window} - mean of the model's devices) / their std; missing in cohorts under {MINIMUM_COHORT}"
    return [Feature(f"{s}_cohort_{window}", "std of the cohort", about, "cohort") for s in scope.levels]


def add_cohort_features(features: pd.DataFrame, examples: Examples, spec: FleetSpec) -> pd.DataFrame:
    """Features with the cohort columns appended, one row per (device_id, cutoff) as before.

    A cohort is the rows of one cutoff and ``device_model``, so the examples must hold the whole fleet. Sums run in the
    order of device ids: neither buckets nor the order of rows change a bit.

    Parameters
    ----------
    features
        Columns of the first stage, aligned with the examples.
    """
    scope = Scope(spec)
    window = label(scope.windows[0])
    model = pd.factorize(features["device_model"].astype(object), sort=True)[0]
    order = np.lexsort((model, examples.cutoff_us))  # stable: devices stay in the order of their ids
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(examples.cutoff_us[order]) != 0) | (np.diff(model[order]) != 0)
    group = np.cumsum(new)
    found: dict[str, np.ndarray] = {}
    for sensor in scope.levels:
        values = features[f"{sensor}_mean_{window}"].to_numpy(dtype=np.float64)
        column = np.empty(len(values), dtype=np.float32)
        column[order] = group_deviation(group, values[order], MINIMUM_COHORT)
        found[f"{sensor}_cohort_{window}"] = column
    return pd.concat([features, pd.DataFrame(found, index=features.index)], axis=1)
