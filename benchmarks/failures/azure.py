"""azure-pdm: four components of 100 simulated machines, forecast at midnight from daily telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from benchmarks.failures.ahead import second_day
from benchmarks.failures.place import imported
from benchmarks.failures.tables import OURS, cell, measured, models, show

from aftercast.data.workspace import Workspace
from aftercast.models.judge.report import BacktestReport
from aftercast.models.kind import BacktestRequest
from aftercast.models.kinds import hazard_kind
from aftercast.operations.clocks import parse_duration_us, parse_time

Mask = npt.NDArray[np.bool_]
HORIZONS: Final = ("7d", "14d", "30d")
RATE: Final = "1"


@dataclass(frozen=True)
class Period:
    """When training ends, and the first and the last test cutoff."""

    train_until: str
    test_from: str
    test_until: str
    draws: int


def run(folder: Path, period: Period) -> dict[str, Any]:
    """Print the tables of the machines; return their figures."""
    with imported("azure-pdm", folder) as workspace:
        day = _test(workspace, period, "24h")
        _show_day(day)
        ahead = second_day(workspace, period.train_until, period.test_from, period.test_until)
        longer = {horizon: _test(workspace, period, horizon) for horizon in HORIZONS}
    for horizon, report in longer.items():
        _show_pooled(horizon, report)
    _show_rate(longer["7d"])
    return {
        "period": vars(period),
        "24h": {name: dict(found) for name, found in day.results.items()},
        "24h-48h": ahead,
        "pooled": {horizon: dict(report.pooled) for horizon, report in longer.items()},
        "7d": {name: dict(found) for name, found in longer["7d"].results.items()},
    }


def _test(workspace: Workspace, period: Period, horizon: str) -> BacktestReport:
    """Backtest a horizon; the last cutoffs are left out where the data ends before their horizon does."""
    observed = workspace.store.observed_until()
    assert observed is not None
    possible = observed - pd.Timedelta(parse_duration_us(horizon), unit="us")
    until = min(parse_time(period.test_until), possible)
    asked = BacktestRequest(
        kind="failure",
        train_until=[period.train_until],
        test_from=period.test_from,
        test_until=f"{until:%Y-%m-%d}",
        horizon=horizon,
        every="24h",
        retrain="once",
        draws=period.draws,
    )
    return hazard_kind("failure").backtest(workspace, asked, None)


def _period(report: BacktestReport) -> str:
    tested = f"{report.test_from:%Y-%m-%d} to {report.test_until:%Y-%m-%d}"
    return f"cutoffs {tested}, trained until {report.train_until:%Y-%m-%d}"


def _show_day(report: BacktestReport) -> None:
    names = [name for name in report.results[OURS] if name != "all"]
    columns = [f"{name} {what}" for name in names for what in ("precision", "recall")]
    rows = []
    for model in models(list(report.results)):
        found = report.results[model]
        cells = [measured(found[name], what) for name in names for what in ("precision", "recall")]
        rows.append([model, *cells, measured(report.pooled[model], "ece")])
    events = ", ".join(f"{name} {report.results[OURS][name]['events']}" for name in names)
    title = f"azure-pdm, within 24 h; failures {events}"
    show(title, ["model", *columns, "ECE"], rows, _period(report))


def _show_pooled(horizon: str, report: BacktestReport) -> None:
    rows = [
        [model, *(measured(report.pooled[model], name) for name in ("pr_auc", "roc_auc", "brier", "ece"))]
        for model in models(list(report.pooled))
    ]
    events = report.pooled[OURS]["events"]
    title = f"azure-pdm, within {horizon}, all pairs of row and component; {events} of them with a failure"
    show(title, ["model", "PR-AUC", "ROC-AUC", "Brier", "ECE"], rows, _period(report))


def _show_rate(report: BacktestReport) -> None:
    rows = []
    for model in models(list(report.results)):
        found = report.results[model]["all"]
        at, ends = found["visit_rates"][RATE], found["intervals"]["visit_rates"][RATE]
        name = "recall_per_failure"
        rows.append([model, cell(at[name], ends.get(name)), str(at["found"]), cell(at["median_lead_time_hours"])])
    title = "azure-pdm, within 7 d, at one false visit per machine-month"
    columns = ["model", "failures found", "number", "median lead time, h"]
    show(title, columns, rows, f"{_period(report)}; threshold found on these rows")
