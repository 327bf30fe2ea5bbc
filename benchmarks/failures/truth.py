"""A simulated fleet whose true probabilities are known: how near a forecast comes to what could be known at best."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from benchmarks.failures.tables import cell, models, show
from benchmarks.failures.taught import Taught

from aftercast.data.fleet import load_fleet
from aftercast.data.simulator import simulate
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.models.kind import BacktestRequest
from aftercast.models.kinds import hazard_kind
from aftercast.models.metrics.bootstrap import draw_weights, interval, share
from aftercast.models.metrics.rows import Sorted, expected_calibration_error
from aftercast.models.metrics.table import row_draws, row_metrics
from aftercast.pipelines.ingest import run_ingest

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
HORIZONS: Final = {"24h": "p_24h", "7d": "p_7d", "30d": "p_30d"}
TRUTH: Final = "truth"
TAUGHT: Final = "taught the truth"
TRAINED_SHARE: Final = 0.7
KEYS: Final = ["id", "cutoff", "component"]


def run(devices: int, days: int, seed: int, draws: int) -> dict[str, Any]:
    """Simulate, train on the first part of the time, print forecasts beside the truth; return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        simulate(made, devices=devices, days=days, seed=seed)
        create_workspace(made / "fleet", load_fleet(made / "fleet.toml"))
        workspace = open_workspace(made / "fleet")
        run_ingest(workspace, "tables", made / "tables")
        truth = pd.read_parquet(made / "truth" / "probabilities.parquet").rename(columns={"device_id": "id"})
        cohorts = workspace.store.read("devices").drop_duplicates("device_id", keep="last")
        model_of = cohorts.set_index("device_id")["device_model"].astype(str)
        until, observed = _trained_until(workspace, truth)
        taught = Taught(workspace, truth, until, observed)
        found = {horizon: _horizon(workspace, horizon, truth, model_of, (taught, draws)) for horizon in HORIZONS}
    return {"devices": devices, "days": days, "seed": seed, "horizons": found}


def _horizon(
    workspace: Workspace, horizon: str, truth: pd.DataFrame, model_of: pd.Series[str], taught: tuple[Taught, int]
) -> dict[str, Any]:
    rows, draws = _rows(workspace, horizon, truth), taught[1]
    own = {str(name): part for name, part in rows.groupby("model", observed=True)}
    first = next(iter(own.values()))
    own[TRUTH] = first.assign(probability=first[HORIZONS[horizon]])
    told = taught[0].probabilities(HORIZONS[horizon])
    own[TAUGHT] = first.drop(columns="probability").merge(told, on=KEYS, validate="one_to_one")
    owner = np.unique(first["id"].to_numpy(str), return_inverse=True)[1].astype(np.int64)
    weights = draw_weights(int(owner[-1]) + 1, draws)
    found = {name: _judged(part, owner, weights, model_of) for name, part in own.items()}
    _differences(found, own, owner, weights)
    order = [TRUTH, TAUGHT, *models([name for name in found if name not in (TRUTH, TAUGHT)])]
    columns = ["model", "Brier", "Brier over truth's", "ECE", "worst cohort's ECE", "C-index", "ROC-AUC", "PR-AUC"]
    shown = [
        [
            name,
            cell(found[name]["brier"]),
            cell(found[name]["brier_ratio"], found[name]["brier_ratio_interval"]),
            cell(found[name]["ece"], found[name]["ece_interval"]),
            cell(found[name]["worst_cohort_ece"]),
            cell(found[name]["c_index"]),
            cell(found[name]["roc_auc"]),
            cell(found[name]["pr_auc"]),
        ]
        for name in order
    ]
    events = int(first["event"].sum())
    title = f"simulated fleet, within {horizon}; {len(first):,} pairs of row and component, {events} with a failure"
    show(
        title,
        columns,
        shown,
        "the truth knows the state of every device and how it will be used; taught: boosters it was the label of",
    )
    return found


def _rows(workspace: Workspace, horizon: str, truth: pd.DataFrame) -> pd.DataFrame:
    """Known forecasts of every model with the true probability of the same device, cutoff and component."""
    until, observed = _trained_until(workspace, truth)
    last = (observed - pd.Timedelta(horizon)).normalize()
    asked = BacktestRequest(
        kind="failure",
        train_until=[f"{until:%Y-%m-%d}"],
        test_from=f"{until:%Y-%m-%d}",
        test_until=f"{last:%Y-%m-%d}",
        horizon=horizon,
        every="24h",
        retrain="once",
        draws=0,
    )
    forecasts = hazard_kind("failure").backtest(workspace, asked, None).forecasts
    assert forecasts is not None
    frame = forecasts.frame().astype({"component": "str"})
    frame = frame[frame["known"] & (frame["component"] != "all")]
    joined = frame.merge(truth[[*KEYS, HORIZONS[horizon]]].astype({"id": "str", "component": "str"}), on=KEYS)
    return joined.dropna(subset=[HORIZONS[horizon]]).sort_values(["model", "id", "cutoff", "component"])


def _trained_until(workspace: Workspace, truth: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Midnight when training ends, and the end of observation."""
    observed, begun = workspace.store.observed_until(), truth["cutoff"].min()
    assert observed is not None
    return (begun + TRAINED_SHARE * (observed - begun)).normalize(), observed


def _judged(
    rows: pd.DataFrame, owner: npt.NDArray[np.int64], weights: Floats, model_of: pd.Series[str]
) -> dict[str, Any]:
    event, p = rows["event"].to_numpy(bool), rows["probability"].to_numpy(np.float64)
    found: dict[str, Any] = dict(row_metrics(event, p))
    drawn = row_draws(Sorted.of(owner, event, p), weights)
    cohort = rows["id"].map(model_of).to_numpy(str)
    by_cohort = [expected_calibration_error(event[cohort == name], p[cohort == name]) for name in np.unique(cohort)]
    ahead = (rows["failed_at"] - rows["cutoff"]).dt.total_seconds().to_numpy(np.float64) / 3600
    return found | {
        "ece_interval": interval(found["ece"], drawn["ece"]),
        "worst_cohort_ece": max(by_cohort),
        "c_index": concordance(p, event, ahead),
    }


def _differences(
    found: dict[str, dict[str, Any]],
    rows: dict[str, pd.DataFrame],
    owner: npt.NDArray[np.int64],
    weights: Floats,
) -> None:
    """Add the Brier score over the truth's, with a paired interval by device."""
    errors = {name: ((part["probability"] - part["event"]) ** 2).to_numpy(np.float64) for name, part in rows.items()}
    for name, each in errors.items():
        ratio = float(each.mean() / errors[TRUTH].mean())
        found[name]["brier_ratio"] = ratio
        drawn = share(weights, (owner, each), (owner, errors[TRUTH]))
        found[name]["brier_ratio_interval"] = None if name == TRUTH else interval(ratio, drawn)


def concordance(probability: Floats, event: Mask, ahead: Floats) -> float:
    """Share of the pairs (a failure, a row that outlives it) in which the failure has the higher risk (Harrell 1982).

    Parameters
    ----------
    ahead
        Hours to the failure of each row, NaN without one within the horizon: such rows outlive all of it.
    """
    time = np.where(event, ahead, np.inf)
    right = pairs = 0.0
    for at in np.unique(time[event]):
        later = np.sort(probability[time > at])
        failed = probability[time == at]
        below, through = (np.searchsorted(later, failed, side=side) for side in ("left", "right"))
        right += float((below + through).sum()) / 2
        pairs += len(failed) * len(later)
    return right / pairs if pairs else float("nan")
