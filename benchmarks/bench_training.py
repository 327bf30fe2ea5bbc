"""Training from telemetry to a registered model, as a fleet grows, beside plain LightGBM on the same matrix.

``python -m benchmarks training --devices 100 300 1000`` simulates each fleet with a year of hourly telemetry, imports
it and trains as ``aftercast train`` does, each size in a process of its own. Plain LightGBM is one booster of 100
rounds for "fails within 7 days" with its default settings on the same rows and columns: no components, no horizons, no
calibration, no baselines. The table gives seconds and the peak memory of the process up to the end of the training;
``results/training.svg`` draws the growth.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import lightgbm as lgb
import numpy as np
import pandas as pd
from benchmarks.harness import RAW, keep
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from aftercast.data.fleet import load_fleet
from aftercast.data.simulator import simulate
from aftercast.data.workspace import Workspace, create_workspace, open_workspace
from aftercast.features.labels import load_outcome
from aftercast.models.examples.cases import Cases, build_cases, cadence_us, first_moment
from aftercast.models.examples.splits import training_cutoffs
from aftercast.models.hazard import Schema
from aftercast.operations.clocks import DAY_US, timestamp_us
from aftercast.operations.environment import quiet_libraries
from aftercast.pipelines.ingest import run_ingest
from aftercast.pipelines.train import run_train

Result = TypeVar("Result")
STAGES: Final = ("import", "features", "train, whole command", "plain LightGBM")
WEEK_US: Final = 7 * DAY_US
SEED: Final = 3


def main() -> None:
    """Measure every size, print the table, keep figures and drawing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks training", description=__doc__)
    parser.add_argument("--devices", type=int, nargs="+", default=[100, 300, 1000], help="sizes of the fleet")
    parser.add_argument("--days", type=int, default=365, help="simulated days")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        print(json.dumps(measure(asked.one, asked.days)))
        return
    found = [_in_process(devices, asked.days) for devices in asked.devices]
    _show(found, asked.days)
    keep("training", {"days": asked.days, "sizes": found})
    _draw(found).savefig(RAW / "training.svg")


def measure(devices: int, days: int) -> dict[str, Any]:
    """Seconds of each stage and the peak memory of this process in MB."""
    quiet_libraries()
    seconds: dict[str, float] = {}
    peak: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        result = work()
        seconds[stage] = round(time.perf_counter() - began, 2)
        peak[stage] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return result

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        simulate(made, devices=devices, days=days, seed=SEED)
        create_workspace(made / "fleet", load_fleet(made / "fleet.toml"))
        workspace = open_workspace(made / "fleet")
        timed("import", lambda: run_ingest(workspace, "tables", made / "tables"))
        timed("train, whole command", lambda: run_train(workspace, "failure"))
        cases = timed("features", lambda: _cases(workspace))
        rows = timed("plain LightGBM", lambda: _plain(workspace, cases))
    return {"devices": devices, "rows": rows, "columns": cases.features.shape[1], "seconds": seconds, "peak_mb": peak}


def _cases(workspace: Workspace) -> Cases:
    store, spec, version = workspace.store, workspace.fleet, workspace.store.version()
    end = _end(workspace)
    cutoffs = training_cutoffs(
        first_moment("failure", store, version, end), timestamp_us(end), cadence_us("failure", spec)
    )
    return build_cases("failure", store, spec, cutoffs, version=version, known_at=end)


def _plain(workspace: Workspace, cases: Cases) -> int:
    """One booster for a failure of any component within 7 days; the number of its rows."""
    labels = cases.labels(load_outcome(workspace.store, workspace.fleet), _end(workspace))
    known = labels.known_within(WEEK_US).all(axis=1) & labels.valid
    schema = Schema.of(cases.features)
    event = np.asarray(labels.event_within(0, WEEK_US)[known].any(axis=1), dtype=np.float64)
    data = lgb.Dataset(schema.matrix(cases.features)[known], event)
    lgb.train({"objective": "binary", "verbosity": -1}, data, num_boost_round=100)
    return len(cases.examples)


def _end(workspace: Workspace) -> pd.Timestamp:
    observed = workspace.store.observed_until()
    assert observed is not None
    return observed


def _in_process(devices: int, days: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", "training", "--one", str(devices), "--days", str(days)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _show(found: list[dict[str, Any]], days: int) -> None:
    table = Table(title=f"training on {days} days of hourly telemetry, seconds")
    for heading in ("devices", "examples", *STAGES, "peak MB of training"):
        table.add_column(heading, justify="right")
    for each in found:
        seconds = [f"{each['seconds'][stage]:,.1f}" for stage in STAGES]
        memory = f"{each['peak_mb']['train, whole command']:,.0f}"
        table.add_row(f"{each['devices']:,}", f"{each['rows']:,}", *seconds, memory)
    Console(width=140).print(table)


def _draw(found: list[dict[str, Any]]) -> Figure:
    """Seconds over devices, both logarithmic, one line a stage."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for stage in STAGES:
        axes.loglog([each["devices"] for each in found], [each["seconds"][stage] for each in found], "o-", label=stage)
    axes.set_xlabel("devices")
    axes.set_ylabel("seconds")
    axes.legend()
    axes.grid(visible=True, which="both", alpha=0.3)
    return figure


if __name__ == "__main__":
    main()
