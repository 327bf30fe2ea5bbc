"""Leakage linter: planted leaks found, honest columns stopped by mistake, on simulated fleets and public machines.

``python -m benchmarks leakage [--data FOLDER]``. Each set's own features are judged as if a stranger had brought them,
without the replay's proof: a stop among them is a false alarm. Then leaks of each kind are planted, one column at a
time, among every fifth of them; found is a leak whose column is named by its kind. The machines are read from
``FOLDER/azure_pdm`` (else AFTERCAST_REAL_DATA) and left out without it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from benchmarks.harness import keep
from rich.console import Console
from rich.table import Table

from aftercast.data.fleet import load_fleet
from aftercast.data.ingest import get_source, ingest
from aftercast.data.simulator import FleetConfig, simulate
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.features.examples import Examples
from aftercast.features.labels import Labels, load_outcome
from aftercast.features.replay import LeakageReport
from aftercast.models.examples.cases import build_cases, cadence_us, first_moment, horizons_of
from aftercast.models.examples.splits import training_cutoffs
from aftercast.models.leakage import lint_columns
from aftercast.models.leakage.gate import lint_store, standing_features
from aftercast.operations.clocks import DAY_US, HOUR_US, NEVER, from_us, timestamp_us
from aftercast.operations.environment import real_data_folder

Floats: TypeAlias = npt.NDArray[np.float64]
SEEDS: Final = (41, 42, 43, 44)
DEVICES, DAYS = 150, 240
RETIRING: Final = FleetConfig(retired_share=0.3)


@dataclass(frozen=True)
class Matrix:
    """Honest features of a fleet at its training cutoffs, with labels."""

    name: str
    features: pd.DataFrame
    examples: Examples
    labels: Labels
    standing: frozenset[str]
    horizons_us: tuple[int, ...]
    sensor: str

    @property
    def life(self) -> Any:
        """Group of each row's device."""
        return pd.Series(self.examples.ids)

    @property
    def wait(self) -> npt.NDArray[np.int64]:
        """Time to the next event of any component, NEVER where none was seen."""
        return np.asarray(self.labels.time_to_event_us.min(axis=1))

    @property
    def level(self) -> pd.Series:
        """A sensor's mean, honest."""
        return self.features[self.sensor].astype("float64")

    @property
    def ends_together(self) -> bool:
        """Whether every device is seen until the same time."""
        lasts = pd.Series(self.examples.cutoff_us).groupby(self.examples.ids).max()
        return bool(lasts.min() == lasts.max())

    @property
    def part(self) -> Matrix:
        """The same with every fifth column and the sensor."""
        kept = dict.fromkeys([*self.features.columns[::5], self.sensor])
        return replace(self, features=self.features[list(kept)])

    def lint(self, planted: Mapping[str, Any], sources: Mapping[str, pd.Series] | None = None) -> LeakageReport:
        """Lint the honest features with planted columns among them."""
        return lint_columns(
            self.features.assign(**planted),
            self.examples,
            self.labels,
            attributes=self.standing,
            sources=sources,
            horizons_us=self.horizons_us,
        )


def events(matrix: Matrix) -> pd.DataFrame:
    """Distinct events of any component: id and time in microseconds."""
    seen = matrix.wait != NEVER
    at = matrix.examples.cutoff_us[seen] + matrix.wait[seen]
    return pd.DataFrame({"id": matrix.examples.ids[seen], "at": at}).drop_duplicates(ignore_index=True)


def counted(matrix: Matrix, ahead_us: npt.NDArray[np.int64]) -> Floats:
    """Events of each row's device up to a time after the cutoff."""
    times = {name: np.sort(group.to_numpy()) for name, group in events(matrix).groupby("id")["at"]}
    none = np.empty(0, dtype=np.int64)
    until = matrix.examples.cutoff_us + ahead_us
    found = [np.searchsorted(times.get(i, none), t, "right") for i, t in zip(matrix.examples.ids, until, strict=True)]
    return np.array(found, dtype=np.float64)


def total(matrix: Matrix) -> Floats:
    """Number of events in the whole life."""
    return np.asarray(matrix.life.map(events(matrix)["id"].value_counts()).fillna(0.0), dtype=np.float64)


def noisy_total(matrix: Matrix) -> Floats:
    """A constant that follows the number of events in the whole life with an error."""
    codes, ids = pd.factorize(matrix.life)
    error = np.random.default_rng(1).uniform(-0.2, 0.2, len(ids))[codes]
    return np.asarray(np.exp(total(matrix) + error), dtype=np.float64)


def with_gaps(matrix: Matrix) -> pd.Series:
    """The sensor as it was seen: some rows were missed."""
    return matrix.level.mask(np.random.default_rng(2).random(len(matrix.level)) < 0.2)


def next_event_day(matrix: Matrix) -> Floats:
    """Day number of the next event, as a table of events joined backwards gives it."""
    at = (matrix.examples.cutoff_us + np.where(matrix.wait == NEVER, 0, matrix.wait)) / DAY_US
    return np.where(matrix.wait == NEVER, np.nan, at)


def remaining_days(matrix: Matrix) -> Floats:
    """Days until the last record of the device."""
    last = pd.Series(matrix.examples.cutoff_us).groupby(matrix.examples.ids).transform("max").to_numpy()
    return np.asarray((last - matrix.examples.cutoff_us) / DAY_US, dtype=np.float64)


def day_end(matrix: Matrix) -> npt.NDArray[np.int64]:
    """Time from the cutoff to the end of its day."""
    return DAY_US - matrix.examples.cutoff_us % DAY_US


def scaled(matrix: Matrix) -> pd.Series:
    """The sensor less its mean over the whole life, by its standard deviation over the whole life."""
    by = matrix.level.groupby(matrix.examples.ids)
    return (matrix.level - by.transform("mean")) / by.transform("std")


def of_life(how: Literal["mean", "max"]) -> Callable[[Matrix], Any]:
    """Statistic of the sensor over the whole life."""
    return lambda matrix: matrix.level.groupby(matrix.examples.ids).transform(how)


def within(days: int) -> Callable[[Matrix], Floats]:
    """Whether an event comes within so many days."""
    return lambda matrix: (matrix.wait <= days * DAY_US).astype(np.float64)


LEAKS: Final[tuple[tuple[str, str, Callable[[Matrix], Any]], ...]] = (
    ("inclusive_cutoff", "events to the end of the cutoff's day, since the first", lambda m: counted(m, day_end(m))),
    ("inclusive_cutoff", "events of the cutoff's day", lambda m: counted(m, day_end(m)) - counted(m, 0 * day_end(m))),
    ("shuffled_time", "follows the number of events of the whole life", noisy_total),
    ("whole_life", "number of events of the whole life", total),
    ("whole_life", "mean of a sensor over the whole life", of_life("mean")),
    ("whole_life", "greatest value of a sensor over the whole life", of_life("max")),
    ("whole_life", "sensor standardised over the whole life", scaled),
    ("back_fill", "gaps filled with the next value", lambda m: with_gaps(m).groupby(m.examples.ids).bfill()),
    ("back_fill", "day of the next event", next_event_day),
    ("last_seen", "days until the last record", remaining_days),
    ("last_seen", "number of records", lambda m: m.life.map(m.life.value_counts()).to_numpy(dtype=np.float64)),
    ("last_seen", "days until the last record, with an error", lambda m: noisy(remaining_days(m), 3.0)),
    ("target_proxy", "event within 7 days", within(7)),
    ("target_proxy", "event within 30 days", within(30)),
    ("target_proxy", "hours to the next event", lambda m: np.where(m.wait == NEVER, np.nan, m.wait / HOUR_US)),
    ("target_proxy", "event within 7 days, with an error", lambda m: noisy(within(7)(m), 0.2)),
)


def noisy(values: Floats, spread: float) -> Floats:
    """Values with a normal error."""
    return values + np.random.default_rng(3).normal(scale=spread, size=len(values))


def judged(matrix: Matrix, about: str) -> dict[str, Any]:
    """Honest stops and warnings, then every planted leak by itself."""
    start = time.perf_counter()
    honest = matrix.lint({})
    seconds = time.perf_counter() - start
    stops = sorted({(found.feature, found.check) for found in honest.stops})
    warned = sorted({(found.feature, found.check) for found in honest.warnings})
    rows, part = [], matrix.part
    for check, what, plant in LEAKS:
        if check == "last_seen" and matrix.ends_together:
            continue  # the time until the last record is the calendar's then
        gaps = {"gappy": with_gaps(matrix)} if check == "back_fill" else {}
        rows.append(_planted(part.lint({**gaps, "planted": plant(matrix)}), check, what))
    moments = pd.Series(from_us(matrix.examples.cutoff_us + 2 * HOUR_US))
    dated = part.lint({"planted": matrix.level.to_numpy()}, {"planted": moments})
    rows.append(_planted(dated, "future_source", "source two hours after the cutoff"))
    return {
        "set": about,
        "rows": len(matrix.examples),
        "columns": len(matrix.features.columns),
        "events": len(events(matrix)),
        "seconds": seconds,
        "false_stops": stops,
        "warnings": warned,
        "leaks": rows,
    }


def _planted(report: LeakageReport, check: str, what: str) -> dict[str, Any]:
    own = [found for found in report.findings if found.feature == "planted"]
    return {
        "check": check,
        "what": what,
        "found": any(found.check == check for found in own),
        "stopped": any(found.severity == "stop" for found in own),
        "checks": sorted({found.check for found in own}),
    }


def simulated(folder: Path, seed: int) -> Workspace:
    """Fleet of which some devices leave early."""
    tables = folder / f"tables-{seed}"
    simulate(tables, devices=DEVICES, days=DAYS, seed=seed, config=RETIRING)
    workspace = create_workspace(folder / f"fleet-{seed}", load_fleet(tables / "fleet.toml"))
    ingest(workspace.store, get_source("tables").read(tables / "tables", workspace.fleet), workspace.fleet, origin="s")
    return workspace


def machines(folder: Path, data: Path) -> Workspace:
    """The public machines."""
    source = get_source("azure-pdm")
    workspace = create_workspace(folder / "machines", source.draft(data))
    ingest(workspace.store, source.read(data, workspace.fleet), workspace.fleet, origin="azure-pdm")
    return workspace


def matrix_of(workspace: Workspace, name: str, until: pd.Timestamp | None = None) -> Matrix:
    """Features and labels as a training would have them."""
    store, spec = workspace.store, workspace.fleet
    version, observed = store.version(), store.observed_until()
    if observed is None:
        raise SystemExit(f"{name} holds no events")
    end = observed if until is None else min(until, observed)
    cutoffs = training_cutoffs(
        first_moment("failure", store, version, end), timestamp_us(end), cadence_us("failure", spec)
    )
    cases = build_cases("failure", store, spec, cutoffs, version=version, known_at=end)
    labels = cases.labels(load_outcome(store, spec, version=version, known_at=end), end)
    sensor = next(sensor.name for sensor in spec.sensors if not sensor.cumulative)
    standing = standing_features("failure", store, spec, version)
    column = next(str(n) for n in cases.features.columns if str(n).startswith(f"{sensor}_mean_"))
    return Matrix(name, cases.features, cases.examples, labels, standing, horizons_of("failure", spec), column)


def sets(folder: Path, data: Path | None) -> Iterator[tuple[str, Workspace, pd.Timestamp | None]]:
    """Every set with its name and the end of its training time."""
    for seed in SEEDS:
        yield f"simulated, seed {seed}", simulated(folder, seed), None
    if data is not None and (data / "azure_pdm").is_dir():
        yield "azure-pdm until July", machines(folder, data / "azure_pdm"), pd.Timestamp("2015-07-31", tz="UTC")


def main() -> None:
    """Print what was found and write it to ``results/leakage.json``."""
    parser = argparse.ArgumentParser(prog="leakage", description=__doc__)
    parser.add_argument("--data", type=Path, default=real_data_folder())
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, workspace, until in sets(Path(folder), options.data):
            found = judged(matrix_of(workspace, name, until), name)
            start = time.perf_counter()
            report = lint_store("failure", workspace.store, workspace.fleet, until=until)
            gate = {
                "stops": len(report.stops),
                "warnings": len(report.warnings),
                "seconds": time.perf_counter() - start,
            }
            results.append({**found, "gate": gate})
            show(results[-1])
    planted = [row for found in results for row in found["leaks"]]
    told = (
        f"{sum(row['found'] for row in planted)} of {len(planted)} found, {sum(row['stopped'] for row in planted)} stop"
    )
    print(f"{told}; honest columns stopped without proof: {sum(len(found['false_stops']) for found in results)}")
    keep("leakage", {"sets": results})


def show(found: dict[str, Any]) -> None:
    """Print one set."""
    table = Table(title=f"{found['set']}: {found['rows']} rows, {found['columns']} columns, {found['events']} events")
    for heading in ("kind", "planted", "found", "stopped", "by"):
        table.add_column(heading)
    for row in found["leaks"]:
        answers = ("yes" if row[key] else "NO" for key in ("found", "stopped"))
        table.add_row(row["check"], row["what"], *answers, ", ".join(row["checks"]))
    console = Console(width=160)
    console.print(table)
    console.print(f"honest columns stopped without proof: {found['false_stops']}; warned: {found['warnings']}")
    console.print(f"the gate of a training: {found['gate']}; columns alone {found['seconds']:.1f} s")


if __name__ == "__main__":
    main()
