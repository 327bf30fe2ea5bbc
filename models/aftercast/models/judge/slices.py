"""Slices: how a forecast does by device model, age and evidence, and how far its probabilities can be believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.evidence import evidence_class
from aftercast.models.aliases import Floats, Ints, Mask
from aftercast.models.metrics.binning import bin_starts
from aftercast.models.metrics.bootstrap import interval, intervals, share
from aftercast.models.metrics.failures import Rows
from aftercast.models.metrics.rows import Sorted
from aftercast.models.metrics.table import row_draws, row_metrics

Names = npt.NDArray[np.str_]
UNKNOWN: Final = "unknown"
AGES: Final = ("device_age_days", "tenure_days")
AGE_EDGES: Final = (90, 365, 730, 1095, 1825, 3650)
AGE_BANDS: Final = (
    "under 90 days",
    "90 days to 1 year",
    "1 to 2 years",
    "2 to 3 years",
    "3 to 5 years",
    "5 to 10 years",
    "10 years and more",
    UNKNOWN,
)
CATEGORIES: Final = ("device_model", "hardware_generation", "segment")
BINS: Final = 10
EXPECTED: Final = 2.0  # failures to be expected in a bin of a reliability table, at least


def slice_names(features: pd.DataFrame, spec: FleetSpec) -> dict[str, Names]:
    """Slice of each of n rows along every dimension the features know, shape (n,) each.

    Dimensions are device_model, hardware_generation and segment where any row has one, evidence (of devices), and
    age, whose bands are closed at their start and open at their end.
    """
    found: dict[str, Names] = {}
    for name in CATEGORIES:
        if name in features and features[name].notna().any():
            found[name] = features[name].astype(object).where(features[name].notna(), UNKNOWN).to_numpy().astype(str)
    if "telemetry_age_hours" in features:
        found["evidence"] = evidence_class(features, spec)
    age = next((name for name in AGES if name in features), None)
    if age is not None:
        days = features[age].to_numpy(dtype=np.float64)
        band = np.searchsorted(AGE_EDGES, days, side="right")
        found["age"] = np.array(AGE_BANDS)[np.where(np.isnan(days), len(AGE_EDGES) + 1, band)]
    return found


def slices(
    rows: Rows, probability: Floats, names: Mapping[str, Names], weights: Floats
) -> dict[str, dict[str, dict[str, Any]]]:
    """Metrics of the known rows in each slice.

    Parameters
    ----------
    probability
        Shape (n,).
    names
        Dimension -> slice of each row, as :func:`slice_names` gives it.
    weights
        Of the devices in each draw, shape (draws, devices); no draws: no intervals.

    Returns
    -------
    dict
        dimension -> slice -> n, events, devices, predicted (mean probability), observed (share of events), every
        metric of rows that has an interval, and ``intervals`` of these and of observed; undefined ones are None.
        Slices by falling number of rows.
    """
    return {
        dimension: {str(name): _slice(rows, probability, chosen, weights) for name, chosen in _parts(rows, values)}
        for dimension, values in names.items()
    }


def reliability(rows: Rows, probability: Floats, names: Names, weights: Floats) -> dict[str, list[dict[str, Any]]]:
    """Reliability table of each device model (or of whatever the names are).

    Bins run by probability and hold about equal numbers of failures to be expected, at least two, at most ten bins; a
    bin never parts equal probabilities. So the few rows where failures are expected are not lost among the others.

    Returns
    -------
    dict
        name -> bins by rising probability: n, events, predicted (mean probability), observed (share of events),
        low and high (ends of its probabilities), interval (95 % of observed, by device).
    """
    return {
        str(name): [_bin(rows, probability, each, weights) for each in _bins(chosen, probability)]
        for name, chosen in _parts(rows, names)
    }


def _parts(rows: Rows, names: Names) -> Iterator[tuple[str, Ints]]:
    """Each name and its known rows, by falling number of them."""
    known = np.flatnonzero(rows.known)
    found, number, counts = np.unique(names[known], return_inverse=True, return_counts=True)
    for i in np.argsort(-counts, kind="stable"):
        yield str(found[i]), known[number == i]


def _slice(rows: Rows, probability: Floats, chosen: Ints, weights: Floats) -> dict[str, Any]:
    owner, event, p = rows.owner[chosen], rows.event[chosen], probability[chosen]
    metrics = row_metrics(event, p)
    drawn = row_draws(Sorted.of(owner, event, p), weights)
    shown = _observed(owner, event, p, weights)
    ends = intervals(metrics, drawn) | {"observed": shown.pop("interval")}
    found = {name: metrics[name] for name in drawn}
    return {**shown, "devices": len(np.unique(owner)), **found, "intervals": ends}


def _bins(chosen: Ints, probability: Floats) -> list[Ints]:
    ordered = chosen[np.argsort(probability[chosen], kind="stable")]
    p = probability[ordered]
    expected = np.cumsum(p)
    count = int(np.clip(expected[-1] // EXPECTED, 1, BINS))
    edges = np.searchsorted(expected, expected[-1] * np.arange(1, count) / count)
    return np.split(ordered, bin_starts(p, edges)[1:])


def _bin(rows: Rows, probability: Floats, chosen: Ints, weights: Floats) -> dict[str, Any]:
    owner, event, p = rows.owner[chosen], rows.event[chosen], probability[chosen]
    return {"low": float(p.min()), "high": float(p.max()), **_observed(owner, event, p, weights)}


def _observed(owner: Ints, event: Mask, probability: Floats, weights: Floats) -> dict[str, Any]:
    """Rows, events, mean probability, and share of events with its interval."""
    observed = float(event.mean())
    return {
        "n": len(event),
        "events": int(event.sum()),
        "predicted": float(probability.mean()),
        "observed": observed,
        "interval": interval(observed, share(weights, (owner, event), (owner, np.ones(len(event))))),
    }
