"""Assessment: everything a report says of the forecasts of a backtest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.models.aliases import Floats, Progress
from aftercast.models.fit.training import OWN
from aftercast.models.judge.curves import curves
from aftercast.models.judge.decisions import cost_curve, decision_curve
from aftercast.models.judge.forecasts import Forecasts
from aftercast.models.judge.slices import reliability, slice_names, slices
from aftercast.models.metrics.bootstrap import draw_weights
from aftercast.models.metrics.evaluation import (
    ALL,
    Truth,
    evaluate,
    evaluate_intervals,
    evaluate_pooled,
    pooled_intervals,
)
from aftercast.models.metrics.table import ranked_metrics
from aftercast.models.metrics.visit_rates import visit_rate_metrics


def assess(
    forecasts: Forecasts, spec: FleetSpec, features: pd.DataFrame, *, draws: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Assess every model of a backtest.

    Parameters
    ----------
    features
        Of the test rows, aligned with the forecasts.
    draws
        Draws of devices for 95 % intervals; 0: no intervals.

    Returns
    -------
    dict
        results, pooled, curves, costs and decisions by model (the last three of "all"), slices and reliability of our
        own model for "all"; as :class:`BacktestReport` describes them.
    """
    truth = forecasts.truth
    weights = draw_weights(int(truth.owner[-1]) + 1 if len(truth.owner) > 0 else 0, draws)
    found: dict[str, Any] = {"results": {}, "pooled": {}, "curves": {}, "costs": {}, "decisions": {}}
    for name, (values, thresholds) in forecasts.values.items():
        if progress is not None:
            progress(f"judging {name}", len(values))
        found["results"][name] = _results(truth, values, thresholds, weights)
        found["pooled"][name] = _pooled(truth, values, found["results"][name], weights)
        found["curves"][name], found["costs"][name], found["decisions"][name] = _all(truth, values, thresholds, spec)
    own, rows = forecasts.values[OWN][0][:, -1], truth.rows(ALL)
    names = slice_names(features, spec)
    groups = names.get("device_model", np.full(len(own), ALL))
    return found | {
        "slices": slices(rows, own, names, weights),
        "reliability": reliability(rows, own, groups, weights),
    }


def _results(truth: Truth, values: Floats, thresholds: Floats, weights: Floats) -> dict[str, dict[str, Any]]:
    """Metrics by component, at rates of false visits as well, with their intervals."""
    found = evaluate(truth, values, thresholds)
    for i, name in enumerate(truth.names):
        found[name]["visit_rates"] = visit_rate_metrics(truth.rows(name), values[:, i])
    ends = evaluate_intervals(truth, values, thresholds, found, weights)
    return {name: each | {"intervals": ends[name]} for name, each in found.items()}


def _pooled(truth: Truth, values: Floats, results: dict[str, dict[str, Any]], weights: Floats) -> dict[str, Any]:
    """Metrics of all pairs of row and component, with their intervals; those of the component where there is one."""
    pooled = evaluate_pooled(truth, values)
    if len(truth.labels.components) == 1:
        ends = results[truth.names[0]]["intervals"]
        return pooled | {"intervals": {metric.name: ends[metric.name] for metric in ranked_metrics()}}
    return pooled | {"intervals": pooled_intervals(truth, values, pooled, weights)}


def _all(truth: Truth, values: Floats, thresholds: Floats, spec: FleetSpec) -> tuple[dict[str, Any], ...]:
    """Curves, costs and decisions of any component."""
    rows, p = truth.rows(ALL), values[:, -1]
    known = rows.known
    return (
        curves(rows, p, p >= thresholds[:, -1]),
        cost_curve(rows, p, spec.costs),
        decision_curve(rows.event[known], p[known], spec.costs),
    )
