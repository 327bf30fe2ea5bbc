"""Remaining life of NASA's turbofan engines: aftercast beside simpler models, on every sub-set of the folder.

``python -m benchmarks remaining_life --data FOLDER`` takes ``train_FD00x.txt``, ``test_FD00x.txt`` (plain or gzipped)
and ``RUL_FD00x.txt``. One configuration serves all sub-sets. The official test is the last row of each test engine.
Beside it stand the earlier rows of the test engines, whose error is less a matter of luck, and training engines out of
fold, by which everything was chosen; there a row counts from the 21st cycle on, when at most 150 cycles are left, and
each engine weighs the same. Brackets hold 95 % bootstrap intervals over engines.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
from benchmarks.harness import RESULTS, machine
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import Ridge

from aftercast.data.settings import real_data_folder
from aftercast.data.sources.cmapss import EPOCH, NAMES, draft, read
from aftercast.features.trajectories import Trajectories, find_regimes
from aftercast.models.remaining_life import RemainingLifeSettings, Training, train_and_check
from aftercast.models.remaining_life.calibration import stage_of
from aftercast.models.remaining_life.folds import part, remaining, unit_folds
from aftercast.models.remaining_life.model import read_training, row_weights
from aftercast.models.remaining_life.scores import asymmetric_cost, covered

Floats: TypeAlias = npt.NDArray[np.float64]
Measured: TypeAlias = dict[str, list[float]]
Baseline: TypeAlias = Callable[[Trajectories, Trajectories, float], Floats]

SETTINGS: Final = RemainingLifeSettings()
RESAMPLES: Final = 2000
OURS: Final = "aftercast"
CAUTIOUS: Final = "aftercast, cautious"
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


@dataclass(frozen=True)
class Sample:
    """Predictions of some rows of engines with their truth in cycles; ``weight`` adds up to one for each engine."""

    predicted: Floats
    truth: Floats
    engine: npt.NDArray[np.int64]
    weight: Floats


@dataclass(frozen=True)
class Intervals:
    """Intervals of the rows of a sample, and the stage each was given for."""

    lower: Floats
    upper: Floats
    open_above: npt.NDArray[np.bool_]
    stage: npt.NDArray[np.int64]


Protocol: TypeAlias = tuple[dict[str, Sample], Intervals]


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


def mean_life(train: Trajectories, asked: Trajectories, cap: float) -> Floats:
    """Mean capped life of all training rows, whatever the engine."""
    return np.full(len(asked.cycles), np.minimum(remaining(train), cap).mean())


def age_only(train: Trajectories, asked: Trajectories, cap: float) -> Floats:
    """Mean capped life left to training engines that reached the age; of the oldest where none did."""
    lives = train.cycles[train.last_rows]
    ages = np.minimum(asked.cycles, lives.max())
    left = np.minimum(lives[None, :] - ages[:, None], cap)
    alive = left >= 0
    mean: Floats = np.where(alive, left, 0).sum(axis=1) / alive.sum(axis=1)
    return mean


def ridge_last(train: Trajectories, asked: Trajectories, cap: float) -> Floats:
    """Ridge regression on the row's sensors, normalised by operating regime."""
    regimes = find_regimes(train)
    rows = [regimes.normalise(each.settings, each.sensors) for each in (train, asked)]
    return np.asarray(Ridge(alpha=1.0).fit(rows[0], np.minimum(remaining(train), cap)).predict(rows[1]))


def plain_lightgbm(train: Trajectories, asked: Trajectories, cap: float) -> Floats:
    """LightGBM with its defaults on the row's cycle, settings and sensors as they are."""
    rows = [np.column_stack([each.cycles, each.settings, each.sensors]) for each in (train, asked)]
    data = lgb.Dataset(rows[0], np.minimum(remaining(train), cap))
    booster = lgb.train({"verbosity": -1, "num_threads": 1, "deterministic": True, "seed": 0}, data)
    return np.asarray(booster.predict(rows[1]))


BASELINES: Final[dict[str, Baseline]] = {
    "mean life": mean_life,
    "age only": age_only,
    "ridge, last row": ridge_last,
    "plain LightGBM, last row": plain_lightgbm,
}


def measure_point(sample: Sample, settings: RemainingLifeSettings) -> Measured:
    """Measure errors of a point prediction, each with its bootstrap interval over engines.

    The score is the asymmetric cost of as many rows as there are engines.
    """
    capped = np.clip(sample.predicted, 0, settings.cap) - np.minimum(sample.truth, settings.cap)
    uncapped = sample.predicted - sample.truth
    engines = len(np.unique(sample.engine))
    return {
        "rmse": _resampled(sample, capped**2, np.sqrt),
        "rmse_uncapped": _resampled(sample, uncapped**2, np.sqrt),
        "mae": _resampled(sample, np.abs(capped)),
        "score": _resampled(sample, asymmetric_cost(capped, settings.early, settings.late) * engines),
    }


def measure_intervals(sample: Sample, given: Intervals, settings: RemainingLifeSettings) -> dict[str, dict[str, Any]]:
    """Measure coverage and width of all rows and of each stage of predicted and true life, with bootstrap intervals."""
    truth = np.minimum(sample.truth, settings.cap)
    inside = covered(given.lower, given.upper, truth, given.open_above).astype(np.float64)
    width = given.upper - given.lower
    edges = [0.0, *(edge * settings.cap for edge in settings.stages), settings.cap]
    true_stage = stage_of(truth / settings.cap, settings)
    slices = {"all": np.ones(len(truth), dtype=bool)}
    for kind, stage in (("predicted", given.stage), ("true", true_stage)):
        slices |= {f"{kind} {low:.0f} to {high:.0f}": stage == k for k, (low, high) in enumerate(pairwise(edges))}
    found: dict[str, dict[str, Any]] = {}
    for name, chosen in slices.items():
        if chosen.any():
            here = Sample(sample.predicted[chosen], truth[chosen], sample.engine[chosen], sample.weight[chosen])
            found[name] = {
                "engines": len(np.unique(here.engine)),
                "coverage": _resampled(here, inside[chosen]),
                "width": _resampled(here, width[chosen]),
            }
    return found


def _resampled(sample: Sample, values: Floats, last: Callable[[Floats], Floats] = np.asarray) -> list[float]:
    """Weighted mean of values with the 2.5 and 97.5 % points over engines drawn with replacement."""
    _, engine = np.unique(sample.engine, return_inverse=True)
    totals = np.bincount(engine, sample.weight * values)
    weights = np.bincount(engine, sample.weight)
    drawn = np.random.default_rng(0).integers(len(totals), size=(RESAMPLES, len(totals)))
    means = last(totals[drawn].sum(axis=1) / weights[drawn].sum(axis=1))
    centre = last(np.array([totals.sum() / weights.sum()]))[0]
    return [float(centre), *(float(value) for value in np.quantile(means, [0.025, 0.975]))]


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


def cross_validated(training: Training, trajectories: Trajectories, settings: RemainingLifeSettings) -> Protocol:
    """Out-of-fold answers for the rows of training engines that count."""
    outside, unseen, cap = training.outside, training.unseen, settings.cap
    points = {OURS: outside.predicted * cap, CAUTIOUS: unseen["cautious"] * cap}
    samples = {
        name: Sample(values, outside.life * cap, outside.unit, outside.weight) for name, values in points.items()
    }
    samples |= {name: crossed_baseline(baseline, trajectories, settings) for name, baseline in BASELINES.items()}
    upper = unseen["upper"]
    return samples, Intervals(unseen["lower"] * cap, upper * cap, upper >= 1.0, stage_of(outside.predicted, settings))


def crossed_baseline(baseline: Baseline, trajectories: Trajectories, settings: RemainingLifeSettings) -> Sample:
    """Out-of-fold predictions of a baseline, in the folds and on the rows of our own."""
    fold_of_unit = unit_folds(len(trajectories.units), settings.folds)
    predicted = np.empty(len(trajectories.cycles))
    for fold in range(settings.folds):
        inside, outside = (np.flatnonzero((fold_of_unit == fold) == held) for held in (False, True))
        rows = fold_of_unit[trajectories.unit_of_row] == fold
        predicted[rows] = baseline(part(trajectories, inside), part(trajectories, outside), settings.cap)
    life = remaining(trajectories).to_numpy()
    weight = row_weights(trajectories, life, settings)
    counts = weight > 0
    return Sample(predicted[counts], life[counts], trajectories.unit_of_row[counts], weight[counts])


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
            table.add_row(name, str(row["engines"]), _text(row["coverage"], 3), _text(row["width"], 1))
        console.print(table)


def _text(values: list[float], digits: int) -> str:
    centre, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{centre} [{low}, {high}]"


def main() -> None:
    """Run every sub-set, print its tables, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the sub-sets; else AFTERCAST_REAL_DATA")
    parser.add_argument("--out", type=Path, default=RESULTS / "remaining_life.json", help="where results are written")
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
    content = {"name": "remaining_life", "machine": machine(), "cap": SETTINGS.cap, "rows": rows}
    chosen.out.parent.mkdir(exist_ok=True)
    chosen.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
