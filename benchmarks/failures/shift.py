"""A fleet whose rate of failures changes after the training: forecasts with and without the correction for it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from benchmarks.failures.tables import OURS, measured, show

from aftercast.data.contract import TABLES
from aftercast.data.fleet import load_fleet
from aftercast.data.ingest import Batch, ingest
from aftercast.data.simulator import simulate
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.models.kind import BacktestRequest
from aftercast.models.kinds import hazard_kind
from aftercast.pipelines.ingest import run_ingest

HORIZON: Final = "7d"
TRAINED_SHARE: Final = 0.5
KEPT: Final = {"as it was": (1.0, 1.0), "half of before": (1.0, 0.5), "twice of before": (0.5, 1.0)}
METRICS: Final = ("brier", "log_loss", "ece")


def run(devices: int, days: int, seed: int) -> dict[str, Any]:
    """Simulate, drop failures before or after the end of the training, print both forecasts; return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        simulate(made, devices=devices, days=days, seed=seed)
        create_workspace(made / "whole", load_fleet(made / "fleet.toml"))
        whole = open_workspace(made / "whole")
        run_ingest(whole, "tables", made / "tables")
        found = {name: _both(whole, made / f"fleet{i}", kept, seed) for i, (name, kept) in enumerate(KEPT.items())}
    rows = [
        [name, how, str(each["events"]), *(measured(each, metric) for metric in METRICS)]
        for name, both in found.items()
        for how, each in both.items()
    ]
    show(
        f"simulated fleet, any failure within {HORIZON}, where the rate changes after the training",
        ["rate of failures", "odds", "rows with a failure", "Brier", "log loss", "ECE"],
        rows,
        f"{devices} devices, {days} days, trained on the first {TRAINED_SHARE:.0%}",
    )
    return found


def _both(whole: Workspace, folder: Path, kept: tuple[float, float], seed: int) -> dict[str, dict[str, Any]]:
    observed = whole.store.observed_until()
    begun = whole.store.read("failures")["event_time"].min()
    assert observed is not None
    until = (begun + TRAINED_SHARE * (observed - begun)).normalize()
    workspace = _thinned(whole, folder, until, kept, seed)
    return {how: _tested(workspace, until, shift=how == "moved") for how in ("as trained", "moved")}


def _thinned(whole: Workspace, folder: Path, until: pd.Timestamp, kept: tuple[float, float], seed: int) -> Workspace:
    """Copy of a fleet that keeps a share of the failures before and after an instant."""
    workspace = create_workspace(folder, whole.fleet)
    tables = {name: whole.store.read(name) for name in TABLES}
    failures = tables["failures"]
    share = np.where(failures["event_time"] < until, *kept)
    tables["failures"] = failures[np.random.default_rng(seed).random(len(failures)) < share]
    batches = [Batch(name, frame, name) for name, frame in tables.items() if len(frame) > 0]
    ingest(workspace.store, batches, workspace.fleet, origin="thinned")
    return workspace


def _tested(workspace: Workspace, until: pd.Timestamp, *, shift: bool) -> dict[str, Any]:
    observed = workspace.store.observed_until()
    assert observed is not None
    last = (observed - pd.Timedelta(HORIZON)).normalize()
    asked = BacktestRequest(
        kind="failure",
        train_until=[f"{until:%Y-%m-%d}"],
        test_from=f"{until:%Y-%m-%d}",
        test_until=f"{last:%Y-%m-%d}",
        horizon=HORIZON,
        every="24h",
        retrain="once",
        shift=shift,
    )
    return dict(hazard_kind("failure").backtest(workspace, asked, None).results[OURS]["all"])
