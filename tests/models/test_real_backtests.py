"""Backtests of public sets by the commands of the README, against what it says and against the publishers' files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

pytestmark = [pytest.mark.real_data, pytest.mark.slow]
COMMAND = (sys.executable, "-m", "aftercast.cli.main")
Backtested = Callable[..., dict[str, Any]]
BASELINES = ("age", "base_rate", "logistic", "rule")


def worked(*words: str | Path) -> None:
    done = subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def backtested(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Backtested:
    """Return a function that backtests in a new workspace, drafted from the data; the first worker to ask does it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base

    def run(source: str, data: Path, spans: str) -> dict[str, Any]:
        if not data.exists():
            pytest.skip(f"{data} is not there")
        folder = shared / f"backtest-{source}"
        report = folder / "report.json"
        with FileLock(shared / f"backtest-{source}.lock"):
            if not report.exists():
                shutil.rmtree(folder, ignore_errors=True)
                worked("init", folder, "--source", data, "--kind", source)
                worked("import", source, data, "--workspace", folder)
                worked("backtest", "failure", *spans.split(), "--json", report, "--workspace", folder)
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return found

    return run


@pytest.fixture(scope="module")
def machines(real_data: Path, backtested: Backtested) -> dict[str, Any]:
    """azure-pdm as in the README."""
    spans = "--train-until 2015-07-31 --test-from 2015-08-01 --test-until 2015-09-30 --horizon 24h"
    return backtested("azure-pdm", real_data / "azure_pdm", spans)


@pytest.fixture(scope="module")
def drives(real_data: Path, backtested: Backtested) -> dict[str, Any]:
    """backblaze as in the README, but trained once, on the first day of the test, and not anew on each."""
    spans = "--train-until 2013-04-25 --test-from 2013-04-25 --test-until 2013-05-02 --horizon 7d"
    return backtested("backblaze", month(real_data), spans)


def month(real_data: Path) -> Path:
    return real_data / "backblaze" / "drive_stats_2013-04-10_2013-05-09.parquet"


@pytest.mark.parametrize("component", ["comp1", "comp2", "comp3", "comp4"])
def test_failures_of_each_component_of_the_machines_are_announced(machines: dict[str, Any], component: str) -> None:
    found = machines["results"]["aftercast"][component]
    assert found["precision"] >= 0.96
    assert found["recall"] >= 0.96


def test_the_machines_failures_are_those_of_the_publisher(machines: dict[str, Any], real_data: Path) -> None:
    """Cutoffs at midnight and a horizon of a day part the time: each failure has one row."""
    file = next((real_data / "azure_pdm").glob("PdM_failures.csv*"))
    failed = pd.read_csv(file, parse_dates=["datetime"])
    told = failed[(failed["datetime"] > "2015-08-01") & (failed["datetime"] <= "2015-10-01")]
    results = machines["results"]["aftercast"]
    assert {name: results[name]["failures"] for name in results if name != "all"} == dict(
        told["failure"].value_counts()
    )
    assert results["all"]["failures"] == len(told.drop_duplicates(["machineID", "datetime"]))
    assert all(found["events"] == found["failures"] for found in results.values())
    assert results["all"]["n"] == 100 * 61


@pytest.mark.parametrize("baseline", BASELINES)
def test_a_daily_budget_of_one_per_cent_finds_at_least_as_many_failing_drives_as(
    drives: dict[str, Any], baseline: str
) -> None:
    found = {name: results["drive"]["budgets"]["1%"]["found"] for name, results in drives["results"].items()}
    assert found["aftercast"] >= found[baseline]


def test_the_drives_that_fail_are_those_of_the_publisher(drives: dict[str, Any], real_data: Path) -> None:
    """A drive counts that failed within a week after a cutoff on which it was in the inventory and had not failed."""
    days = pd.read_parquet(month(real_data), columns=["date", "serial_number", "failure"])
    days["date"] = pd.to_datetime(days["date"])
    asked = days[(days["date"] >= "2013-04-25") & (days["date"] <= "2013-05-02") & (days["failure"] == 0)]
    pairs = asked.merge(days[days["failure"] == 1], on="serial_number", suffixes=("", "_failed"))
    left = (pairs["date_failed"] - pairs["date"]).dt.days
    told = pairs[(left > 0) & (left <= 7)]
    found = drives["results"]["aftercast"]["drive"]
    assert (found["failures"], found["events"]) == (told["serial_number"].nunique(), len(told))
    assert found["n"] <= len(asked)


def test_the_drives_risks_are_calibrated_in_the_large(drives: dict[str, Any]) -> None:
    found = drives["results"]["aftercast"]["drive"]
    assert found["ece"] < found["events"] / found["n"]
    assert found["brier"] < drives["results"]["base_rate"]["drive"]["brier"]
