"""Remaining life of NASA's turbofan engines: aftercast beside simpler models, on every sub-set of the folder.

``python -m benchmarks remaining_life --data FOLDER`` takes ``train_FD00x.txt``, ``test_FD00x.txt`` (plain or gzipped)
and ``RUL_FD00x.txt``. One configuration serves all sub-sets. The official test is the last row of each test engine.
Beside it stand the earlier rows of the test engines, whose error is less a matter of luck, and training engines out of
fold, by which everything was chosen; there a row counts from the 21st cycle on, when at most 150 cycles are left, and
each engine weighs the same. Brackets hold 95 % bootstrap intervals over engines.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from benchmarks.harness import keep
from rich.console import Console
from rich.table import Table

from aftercast.data.ingest.sources.cmapss import EPOCH, NAMES, draft, read
from aftercast.models.aliases import Floats
from aftercast.models.kinds.remaining_life.baseline import BASELINES
from aftercast.models.kinds.remaining_life.evaluation import (
    CAUTIOUS,
    OURS,
    Intervals,
    Protocol,
    Sample,
    cross_validated,
    measure_intervals,
    measure_point,
)
from aftercast.models.kinds.remaining_life.folds import remaining
from aftercast.models.kinds.remaining_life.model import read_training, row_weights, train_and_check
from aftercast.models.kinds.remaining_life.settings import RemainingLifeSettings
from aftercast.models.kinds.remaining_life.trajectories import Trajectories
from aftercast.operations.environment import real_data_folder

SETTINGS: Final = RemainingLifeSettings()
INTERVAL: Final = ("lower", "upper", "open_above", "stage")
CAPTIONS: Final = {
    "test": "official test, last row of each engine",
    "test_rows": "test engines, every row that counts, score for as many rows as engines",
    "cross_validation": "training engines out of fold, every row that counts, score for as many rows as engines",
}


@dataclass(frozen=True)
class Subset:
    """One sub-set: training engines run to failure, test engines cut off, and the lives that were left to those."""

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    truth: Floats


def subsets(folder: Path) -> Iterator[Subset]:
    """Read every complete sub-set of the folder."""
    for path in sorted(folder.glob("RUL_FD*.txt*")):
        found = re.fullmatch(r"RUL_(FD\d{3})\.txt(\.gz)?", path.name)
        if found is not None:
            name = found[1]
            parts = [next(iter(sorted(folder.glob(f"{part}_{name}.txt*"))), None) for part in ("train", "test")]
            if parts[0] is not None and parts[1] is not None:
                yield Subset(name, rows_of(parts[0]), rows_of(parts[1]), np.loadtxt(path, ndmin=1))


def rows_of(path: Path) -> pd.DataFrame:
    """Read unit, cycle, settings and sensors of a file through its source, units in the publisher's order."""
    frames = [batch.frame for batch in read(path, draft(path)) if batch.table == "telemetry"]
    rows = pd.concat(frames, ignore_index=True)
    unit = rows["device_id"].str.rsplit("-", n=1).str[-1].astype("int64")
    cycle = (rows["event_time"] - EPOCH) // pd.Timedelta(days=1)
    return rows[list(NAMES)].assign(unit=unit, cycle=cycle).sort_values(["unit", "cycle"], ignore_index=True)


def run_subset(subset: Subset, settings: RemainingLifeSettings) -> dict[str, Any]:
    """Train and test every contestant on one sub-set."""
    start = time.perf_counter()
    training = train_and_check(subset.train, settings)
    seconds = time.perf_counter() - start
    trajectories, _ = read_training(subset.train, settings)
    asked, _ = read_training(subset.test, settings)
    answers = training.model.predict(subset.test, every_row=True)
    others = {name: baseline(trajectories, asked, settings.cap) for name, baseline in BASELINES.items()}
    life = subset.truth[asked.unit_of_row] + remaining(asked).to_numpy()
    last = np.where(np.isin(np.arange(len(life)), asked.last_rows), 1.0, 0.0)
    protocols = {
        "test": tested(answers, others, asked, life, last),
        "test_rows": tested(answers, others, asked, life, row_weights(asked, life, settings)),
        "cross_validation": cross_validated(training, trajectories, settings),
    }
    found: dict[str, Any] = {
        "subset": subset.name,
        "training_engines": len(trajectories.units),
        "test_engines": len(asked.units),
        "regimes": len(training.model.members.recipe.regimes.centres),
        "training_seconds": round(seconds, 1),
    }
    for name, (samples, given) in protocols.items():
        found[name] = {model: measure_point(sample, settings) for model, sample in samples.items()}
        found[f"{name}_intervals"] = measure_intervals(samples[OURS], given, settings)
    return found


def tested(
    answers: pd.DataFrame, others: dict[str, Floats], asked: Trajectories, life: Floats, weight: Floats
) -> Protocol:
    """Answers for the rows of test engines that have a weight."""
    counts = weight > 0
    points = {OURS: answers["remaining"].to_numpy(), CAUTIOUS: answers["cautious"].to_numpy(), **others}
    samples = {
        name: Sample(values[counts], life[counts], asked.unit_of_row[counts], weight[counts])
        for name, values in points.items()
    }
    return samples, Intervals(*(answers[name].to_numpy()[counts] for name in INTERVAL))


def show(found: dict[str, Any]) -> None:
    """Print the tables of one sub-set."""
    title = (
        f"{found['subset']}: {found['training_engines']} training and {found['test_engines']} test engines, "
        f"{found['regimes']} operating regime(s), trained in {found['training_seconds']} s"
    )
    console = Console(width=150)
    for key, caption in CAPTIONS.items():
        table = Table(title=f"{title}\n{caption}")
        for heading in ("model", "RMSE, capped", "RMSE, uncapped", "MAE, capped", "score, capped"):
            table.add_column(heading, justify="left" if heading == "model" else "right")
        for name, measured in found[key].items():
            digits = {"score": 0}
            table.add_row(name, *(_text(values, digits.get(kind, 2)) for kind, values in measured.items()))
        console.print(table)
        table = Table(title=f"intervals, {caption.split(',', maxsplit=1)[0]}")
        for heading in ("life in cycles", "engines", "coverage", "width, cycles"):
            table.add_column(heading, justify="left" if heading.startswith("life") else "right")
        for name, row in found[f"{key}_intervals"].items():
            table.add_row(name, str(row["units"]), _text(row["coverage"], 3), _text(row["width"], 1))
        console.print(table)


def _text(values: list[float], digits: int) -> str:
    centre, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{centre} [{low}, {high}]"


def main() -> None:
    """Run every sub-set, print its tables, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the sub-sets; else AFTERCAST_REAL_DATA")
    chosen = parser.parse_args()
    folder = chosen.data or real_data_folder()
    if folder is None:
        sys.exit("Name the folder of the sub-sets: --data FOLDER, or AFTERCAST_REAL_DATA.")
    inner = folder / "cmapss"
    rows = []
    for subset in subsets(inner if inner.is_dir() else folder):
        rows.append(run_subset(subset, SETTINGS))
        show(rows[-1])
    if not rows:
        sys.exit(f"{folder} holds no complete sub-set: train_FD00x.txt, test_FD00x.txt and RUL_FD00x.txt.")
    keep("remaining_life", {"cap": SETTINGS.cap, "rows": rows})


if __name__ == "__main__":
    main()
