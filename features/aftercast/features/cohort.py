"""Deviation of a device from the devices of its model at the same cutoff: the second stage, over all examples."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
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


def complete_cohort_features(
    features: pd.DataFrame, ids: npt.NDArray[Any], fleet: pd.DataFrame, fleet_ids: npt.NDArray[Any], spec: FleetSpec
) -> pd.DataFrame:
    """Features of some devices with the cohort columns appended, compared with the latest rows of the whole fleet.

    The rows stand in the place of the fleet's rows of the same devices. Where the fleet's rows are of the same cutoff,
    the columns are equal to the bit with those of :func:`add_cohort_features` over the whole fleet.

    Parameters
    ----------
    features, ids
        Columns of the first stage, n rows, and their device ids, ascending.
    fleet, fleet_ids
        Rows of the fleet, at least the columns of the first stage, and their ids.
    """
    scope = Scope(spec)
    window = label(scope.windows[0])
    needed = ["device_model", *(f"{sensor}_mean_{window}" for sensor in scope.levels)]
    models = features["device_model"].astype(object)
    others = ~np.isin(fleet_ids, ids) & fleet["device_model"].astype(object).isin(models).to_numpy()
    both = pd.concat([rows[needed].astype({"device_model": object}) for rows in (fleet[others], features)])
    names = np.concatenate([fleet_ids[others], ids]).astype(np.str_)
    order = np.argsort(names, kind="stable")
    at_once = Examples(names[order], np.zeros(len(order), dtype=np.int64), "device_id")
    columns = [feature.name for feature in cohort_features(scope)]
    found = add_cohort_features(both.iloc[order].reset_index(drop=True), at_once, spec)[columns]
    own = np.searchsorted(names[order], np.asarray(ids).astype(np.str_))
    return pd.concat([features, found.iloc[own].set_axis(features.index)], axis=1)
