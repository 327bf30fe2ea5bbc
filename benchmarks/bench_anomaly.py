"""Anomaly view: alarms asked for against alarms seen later, failures they preceded, time and memory.

``python -m benchmarks anomaly [--data FOLDER]``. Simulated fleets of 200 devices over 240 days each are made here; the
vehicles are read from ``FOLDER/navarchos_fleet`` (else AFTERCAST_REAL_DATA) and left out without it. Everything is
fitted on the reference period; all figures are of the later one. A failure counts as preceded where an alarm was in
force, or began, in the 14 days before it. Brackets hold 95 % bootstrap intervals over devices. "Random" is the view's
own alarms, dealt to devices at random and turned in time: as many episodes, as long.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from benchmarks.harness import Contestant, keep, measure
from rich.console import Console
from rich.table import Table

from aftercast.data.fleet import FleetSpec, load_fleet
from aftercast.data.ingest import get_source, ingest
from aftercast.data.simulator import simulate
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.features.examples import Examples
from aftercast.models.kinds.anomaly.episodes import MONTH_US, episode_starts
from aftercast.models.kinds.anomaly.fleet import telemetry_rows
from aftercast.models.kinds.anomaly.ignored import impossible_readings
from aftercast.models.kinds.anomaly.settings import AnomalySettings, Comparison
from aftercast.models.kinds.anomaly.threshold import Calibration, choose_threshold
from aftercast.models.kinds.anomaly.view import fit_anomaly_view
from aftercast.operations.clocks import DAY_US, timestamp_us, to_us
from aftercast.operations.environment import real_data_folder

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

SEEDS: Final = (31, 32, 33)
DEVICES, DAYS = 200, 240
SPLIT: Final = pd.Timestamp("2025-05-15", tz="UTC")
RATES: Final = (0.05, 0.1, 0.3, 0.5)
VEHICLE_SPLIT: Final = pd.Timestamp("2023-09-01", tz="UTC")
VEHICLE_RATES: Final = (0.2, 0.5, 1.0)
BEFORE_US: Final = 14 * DAY_US
QUIET_US: Final = 7 * DAY_US
DRAWS, RESAMPLES = 200, 2000
OURS: Final = "aftercast"
SIZES: Final = (200, 1000, 5000)


@dataclass(frozen=True)
class Fleet:
    """Rows of a fleet with the events that alarms may precede, by kind: number of the device and time."""

    features: pd.DataFrame
    examples: Examples
    spec: FleetSpec
    quarantined: pd.DataFrame
    events: dict[str, tuple[Ints, Ints]]
    split_us: int

    @property
    def offsets(self) -> Ints:
        """Rows of device k are ``offsets[k]:offsets[k + 1]``."""
        return self.examples.offsets(np.unique(self.examples.ids))

    @property
    def later(self) -> Mask:
        """Rows after the reference period."""
        return self.examples.cutoff_us > self.split_us


@dataclass(frozen=True)
class Alarms:
    """Alarms of one rule on one fleet, and which rows it judged; shape (n,)."""

    alarm: Mask
    judged: Mask


@dataclass(frozen=True)
class Counts:
    """Later period of one rule by device, shape (devices,): episodes, months, rows in alarm, and events by kind."""

    episodes: Floats
    months: Floats
    alarm_months: Floats
    events: dict[str, Floats]
    in_force: dict[str, Floats]
    began: dict[str, Floats]


Rule: TypeAlias = Callable[[Fleet, float], Alarms]


def simulated(folder: Path, seed: int) -> Fleet:
    """Simulate, import and compute one fleet."""
    simulate(folder, devices=DEVICES, days=DAYS, seed=seed)
    workspace = create_workspace(folder / "fleet", load_fleet(folder / "fleet.toml"))
    ingest(
        workspace.store, get_source("tables").read(folder / "tables", workspace.fleet), workspace.fleet, origin="sim"
    )
    failures = workspace.store.read("failures")
    return _fleet(workspace, {"failures": failures.rename(columns={"event_time": "at"})}, SPLIT)


def vehicles(data: Path, folder: Path) -> Fleet:
    """Import the vehicles; repairs are what is looked for, planned services the control."""
    source = get_source("navarchos")
    spec = source.draft(data)
    workspace = create_workspace(folder / "vehicles", spec)
    ingest(workspace.store, source.read(data, spec), spec, origin="navarchos")
    orders = workspace.store.read("repairs").rename(columns={"opened_at": "at"})
    kinds = {"repairs": "corrective", "planned services": "preventive"}
    events = {name: orders[orders["kind"] == kind] for name, kind in kinds.items()}
    return _fleet(workspace, events, VEHICLE_SPLIT)


def _fleet(workspace: Workspace, events: dict[str, pd.DataFrame], split: pd.Timestamp) -> Fleet:
    store, version = workspace.store, workspace.store.version()
    until = store.observed_until(version)
    first = store.read("telemetry", version=version, columns=["event_time"])["event_time"].min()
    if until is None:
        raise RuntimeError("nothing was imported")
    days = np.arange(timestamp_us(first) // DAY_US + 1, timestamp_us(until) // DAY_US + 1, dtype=np.int64) * DAY_US
    features, examples = telemetry_rows(store, workspace.fleet, days, version=version)
    lies = impossible_readings(store.quarantine(version))
    devices = np.unique(examples.ids)
    found = {name: _located(frame, devices) for name, frame in events.items()}
    return Fleet(features, examples, workspace.fleet, lies, found, timestamp_us(split))


def _located(frame: pd.DataFrame, devices: npt.NDArray[np.str_]) -> tuple[Ints, Ints]:
    ids = frame["device_id"].to_numpy(dtype=object).astype(np.str_)
    known = np.isin(ids, devices)
    times = to_us(frame["at"])[known]
    pairs = np.unique(np.column_stack([np.searchsorted(devices, ids[known]), times]), axis=0)
    return pairs[:, 0], pairs[:, 1]


def view_rule(compare: Comparison) -> Rule:
    """Rule of the anomaly view fitted once, compared with past, cohort or both."""

    def run(fleet: Fleet, rate: float) -> Alarms:
        return _scored(fleet, rate, fleet.split_us, int(fleet.examples.cutoff_us.max()), compare)

    return run


def monthly(fleet: Fleet, rate: float) -> Alarms:
    """The view fitted anew every 30 days on all that lies before, as the command does at each call."""
    cutoffs = fleet.examples.cutoff_us
    alarm, judged = (np.zeros(len(cutoffs), dtype=bool) for _ in range(2))
    for begin in range(fleet.split_us, int(cutoffs.max()), MONTH_US):
        found = _scored(fleet, rate, begin, begin + MONTH_US, "both")
        rows = (cutoffs > begin) & (cutoffs <= begin + MONTH_US)
        alarm[rows], judged[rows] = found.alarm[rows], found.judged[rows]
    return Alarms(alarm, judged)


def _scored(fleet: Fleet, rate: float, until_us: int, end_us: int, compare: Comparison) -> Alarms:
    """Alarms of a view fitted on the cutoffs until one, judging those until another; no alarm after that."""
    reference, seen = (fleet.examples.cutoff_us <= moment for moment in (until_us, end_us))
    view = fit_anomaly_view(
        fleet.features[reference].reset_index(drop=True),
        fleet.examples.take(reference),
        fleet.spec,
        alarms_per_device_month=rate,
        quarantined=fleet.quarantined,
        settings=AnomalySettings(compare=compare),
    )
    rows = fleet.features[seen].reset_index(drop=True)
    scored = view.score(rows, fleet.examples.take(seen), quarantined=fleet.quarantined)
    alarm, judged = (np.zeros(len(seen), dtype=bool) for _ in range(2))
    alarm[seen] = (scored["state"] == "unusual").to_numpy()
    judged[seen] = scored["anomaly_score"].notna().to_numpy()
    return Alarms(alarm, judged)


def plain_z(fleet: Fleet) -> Floats:
    """Largest |z| of the 24 h means against mean and std of the reference period of all devices, shape (n,)."""
    levels = [f"{s.name}_mean_24h" for s in fleet.spec.sensors if not s.cumulative]
    values = fleet.features[levels].to_numpy(dtype=np.float64)
    reference = values[~fleet.later]
    z = np.abs(values - np.nanmean(reference, axis=0)) / np.nanstd(reference, axis=0)
    known = ~np.isnan(z)
    return np.where(known.any(axis=1), np.where(known, z, 0).max(axis=1), np.nan)


def plain_rule(fleet: Fleet, rate: float) -> Alarms:
    """Plain z-score with the threshold chosen as ours is."""
    score = plain_z(fleet)
    reference = Calibration(fleet.offsets, fleet.examples.cutoff_us, np.where(fleet.later, np.nan, score), DAY_US)
    return Alarms(score >= choose_threshold(reference, rate, QUIET_US, 0.9), ~np.isnan(score))


def three_sigma(fleet: Fleet, _: float) -> Alarms:
    """Plain z-score above 3, whatever rate was asked."""
    score = plain_z(fleet)
    return Alarms(score > 3, ~np.isnan(score))


RULES: Final[dict[str, Rule]] = {
    OURS: view_rule("both"),
    "aftercast, fitted monthly": monthly,
    "aftercast, past only": view_rule("past"),
    "aftercast, cohort only": view_rule("cohort"),
    "plain z-score, same rate": plain_rule,
    "plain z-score above 3": three_sigma,
}


def count(fleet: Fleet, alarms: Alarms) -> Counts:
    """Count the later period by device."""
    offsets, cutoffs = fleet.offsets, fleet.examples.cutoff_us
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    starts = episode_starts(offsets, cutoffs, alarms.alarm, QUIET_US)
    judged = alarms.judged & fleet.later

    def total(rows: Mask) -> Floats:
        return np.bincount(owner[rows], minlength=len(offsets) - 1).astype(np.float64)

    events: dict[str, tuple[Floats, Floats, Floats]] = {
        name: _preceded(fleet, pairs, alarms, starts) for name, pairs in fleet.events.items()
    }
    return Counts(
        episodes=total(starts & fleet.later),
        months=total(judged) * DAY_US / MONTH_US,
        alarm_months=total(alarms.alarm & judged) * DAY_US / MONTH_US,
        events={name: found[0] for name, found in events.items()},
        in_force={name: found[1] for name, found in events.items()},
        began={name: found[2] for name, found in events.items()},
    )


def _preceded(fleet: Fleet, pairs: tuple[Ints, Ints], alarms: Alarms, starts: Mask) -> tuple[Floats, Floats, Floats]:
    """Events that a judged row of the later period precedes; of them with an alarm in force; with one that began."""
    offsets, cutoffs, later = fleet.offsets, fleet.examples.cutoff_us, fleet.later
    found = np.zeros((3, len(offsets) - 1))
    for device, moment in zip(*pairs, strict=True):
        if moment <= fleet.split_us + BEFORE_US:
            continue
        rows = slice(int(offsets[device]), int(offsets[device + 1]))
        before = later[rows] & (cutoffs[rows] < moment) & (cutoffs[rows] >= moment - BEFORE_US)
        if (alarms.judged[rows] & before).any():
            found[:, device] += (1, (alarms.alarm[rows] & before).any(), (starts[rows] & before).any())
    return found[0], found[1], found[2]


def dealt(fleet: Fleet, alarms: Alarms, draw: int) -> Alarms:
    """Deal the alarms of the later period to other devices at random, each turned in time; who is judged stays."""
    rng = np.random.default_rng(draw)
    offsets = fleet.offsets
    rows = [np.flatnonzero(fleet.later[a:b]) + a for a, b in pairwise(offsets.tolist())]
    given = rng.permutation(len(rows))
    alarm = np.zeros(len(alarms.alarm), dtype=bool)
    for taker, giver in enumerate(given):
        source, target = rows[giver], rows[taker]
        if len(source) > 0 and len(target) > 0:
            turned = np.roll(alarms.alarm[source], int(rng.integers(len(source))))
            alarm[target] = np.resize(turned, len(target)) if len(source) < len(target) else turned[: len(target)]
    return Alarms(alarm, alarms.judged)


def pooled(parts: Sequence[Counts]) -> Counts:
    """Devices of several fleets side by side."""

    def joined(field: str) -> Floats:
        return np.concatenate([getattr(part, field) for part in parts])

    def by_kind(field: str) -> dict[str, Floats]:
        return {name: np.concatenate([getattr(part, field)[name] for part in parts]) for name in parts[0].events}

    return Counts(
        joined("episodes"),
        joined("months"),
        joined("alarm_months"),
        by_kind("events"),
        by_kind("in_force"),
        by_kind("began"),
    )


def ratio(above: Floats, below: Floats) -> list[float] | None:
    """Sum over sum with its bootstrap interval over devices; None where nothing is below."""
    if below.sum() == 0:
        return None
    drawn = np.random.default_rng(0).integers(len(above), size=(RESAMPLES, len(above)))
    low, high = np.nanquantile(above[drawn].sum(axis=1) / np.maximum(below[drawn].sum(axis=1), 1e-12), [0.025, 0.975])
    return [float(above.sum() / below.sum()), float(low), float(high)]


def measured(counts: Counts) -> dict[str, Any]:
    """Figures of one rule at one rate."""
    return {
        "device_months": float(counts.months.sum()),
        "episodes": int(counts.episodes.sum()),
        "seen_per_device_month": ratio(counts.episodes, counts.months),
        "share_of_time_in_alarm": ratio(counts.alarm_months, counts.months),
        **{
            name: {
                "judged": int(counts.events[name].sum()),
                "alarm_in_force": ratio(counts.in_force[name], counts.events[name]),
                "alarm_began": ratio(counts.began[name], counts.events[name]),
            }
            for name in counts.events
        },
    }


def contest(fleets: Sequence[Fleet], rates: Sequence[float]) -> list[dict[str, Any]]:
    """Measure every rule at every rate, on the devices of all fleets, each fleet fitted by itself."""
    rows: list[dict[str, Any]] = []
    for rate in rates:
        for name, rule in RULES.items():
            found = [rule(fleet, rate) for fleet in fleets]
            counts = pooled([count(fleet, alarms) for fleet, alarms in zip(fleets, found, strict=True)])
            rows.append({"rule": name, "asked": rate, **measured(counts)})
            if name == OURS:
                rows.append({"rule": "random, as many and as long", "asked": rate, **at_random(fleets, found)})
    return rows


def at_random(fleets: Sequence[Fleet], found: Sequence[Alarms]) -> dict[str, Any]:
    """Mean over draws of the dealt alarms, with the 2.5 and 97.5 % points of the draws."""
    draws = [
        pooled([count(fleet, dealt(fleet, alarms, k)) for fleet, alarms in zip(fleets, found, strict=True)])
        for k in range(DRAWS)
    ]
    out: dict[str, Any] = {}
    for name in draws[0].events:
        total = draws[0].events[name].sum()
        shares = {
            "alarm_in_force": [each.in_force[name].sum() / max(total, 1) for each in draws],
            "alarm_began": [each.began[name].sum() / max(total, 1) for each in draws],
        }
        out[name] = {"judged": int(total)} | {
            key: [float(np.mean(values)), *map(float, np.quantile(values, [0.025, 0.975]))]
            for key, values in shares.items()
        }
    return out


def days_before(fleet: Fleet, rate: float) -> dict[str, Any]:
    """Days from the beginning of the alarm in force to each event it preceded, by kind of event."""
    alarms = RULES[OURS](fleet, rate)
    offsets, cutoffs = fleet.offsets, fleet.examples.cutoff_us
    starts = np.flatnonzero(episode_starts(offsets, cutoffs, alarms.alarm, QUIET_US))
    out: dict[str, Any] = {}
    for name, pairs in fleet.events.items():
        days = []
        for device, moment in zip(*pairs, strict=True):
            rows = np.arange(offsets[device], offsets[device + 1])
            near = rows[alarms.alarm[rows] & (cutoffs[rows] < moment) & (cutoffs[rows] >= moment - BEFORE_US)]
            if len(near) > 0 and moment > fleet.split_us + BEFORE_US:
                begun = starts[np.searchsorted(starts, near[-1], side="right") - 1]
                days.append(float((moment - cutoffs[begun]) / DAY_US))
        out[name] = {"preceded": len(days), "days": [round(each, 1) for each in sorted(days)]}
    return out


def enlarged(fleet: Fleet, devices: int) -> tuple[pd.DataFrame, Examples]:
    """Repeat a fleet under new ids until it has so many devices."""
    times = -(-devices // len(np.unique(fleet.examples.ids)))
    ids = np.concatenate([np.char.add(f"{k:03d}-", fleet.examples.ids) for k in range(times)])
    examples = Examples(ids, np.tile(fleet.examples.cutoff_us, times), "device_id")
    features = pd.concat([fleet.features] * times, ignore_index=True)
    keep = np.isin(ids, np.unique(ids)[:devices])
    return features[keep].reset_index(drop=True), examples.take(keep)


def fit_and_score(path: Path) -> int:
    """Timed work: read what was prepared, fit on the reference period, judge everything."""
    features, examples, spec, split_us = _prepared(path)
    reference = examples.cutoff_us <= split_us
    view = fit_anomaly_view(
        features[reference].reset_index(drop=True), examples.take(reference), spec, alarms_per_device_month=0.1
    )
    return len(view.score(features, examples))


def _prepared(path: Path) -> tuple[pd.DataFrame, Examples, FleetSpec, int]:
    frame = pd.read_parquet(path)
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    ids, cutoffs = frame.pop("__id").to_numpy(dtype=object).astype(np.str_), frame.pop("__cutoff").to_numpy()
    return frame, Examples(ids, cutoffs, "device_id"), FleetSpec.model_validate(about["spec"]), int(about["split_us"])


def cost(fleet: Fleet, folder: Path) -> Iterator[dict[str, Any]]:
    """Time and memory of fitting and judging by size of the fleet, reading of the rows included."""
    for devices in SIZES:
        features, examples = enlarged(fleet, devices)
        path = folder / f"{devices}.parquet"
        features.assign(__id=examples.ids, __cutoff=examples.cutoff_us).to_parquet(path)
        about = {"spec": fleet.spec.model_dump(mode="json"), "split_us": fleet.split_us}
        path.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
        row = measure(Contestant(f"{devices}", fit_and_score, (path,)), repeats=2)
        yield {"devices": devices, "rows": len(examples), "seconds": row.seconds, "peak_mb": row.peak_mb}


def show(title: str, rows: Sequence[dict[str, Any]], kinds: Sequence[str]) -> None:
    """Print the table of a contest."""
    table = Table(title=title)
    for heading in ("rule", "asked", "seen", "time in alarm"):
        table.add_column(heading, justify="left" if heading == "rule" else "right")
    for kind in kinds:
        table.add_column(f"{kind} with alarm in force", justify="right")
        table.add_column(f"{kind}: alarm began", justify="right")
    for row in rows:
        cells = [row["rule"], f"{row['asked']:g}"]
        cells += [_text(row.get(key), 3) for key in ("seen_per_device_month", "share_of_time_in_alarm")]
        for kind in kinds:
            cells += [_text(row[kind][key], 2) for key in ("alarm_in_force", "alarm_began")]
        table.add_row(*cells)
    Console(width=170).print(table)


def _text(values: list[float] | None, digits: int) -> str:
    if values is None:
        return ""
    centre, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{centre} [{low}, {high}]"


def main() -> None:
    """Run everything, print the tables, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with navarchos_fleet; else AFTERCAST_REAL_DATA")
    chosen = parser.parse_args()
    data = chosen.data or real_data_folder()
    content: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fleets = [simulated(folder / str(SEEDS[0]), SEEDS[0])]
        content["cost"] = list(cost(fleets[0], folder))  # first: a process weighs at least what its parent did
        fleets += [simulated(folder / str(seed), seed) for seed in SEEDS[1:]]
        content["simulated"] = contest(fleets, RATES)
        about = f"{len(SEEDS)} simulated fleets of {DEVICES} devices, reference until {SPLIT:%Y-%m-%d}"
        show(about, content["simulated"], ["failures"])
        if data is not None and (data / "navarchos_fleet").is_dir():
            fleet = vehicles(data / "navarchos_fleet", folder)
            content["navarchos"] = contest([fleet], VEHICLE_RATES)
            content["navarchos_days_before"] = {f"{rate:g}": days_before(fleet, rate) for rate in VEHICLE_RATES}
            show(f"navarchos, reference until {VEHICLE_SPLIT:%Y-%m-%d}", content["navarchos"], list(fleet.events))
            Console(width=170).print(content["navarchos_days_before"])
    for row in content["cost"]:
        print(
            f"{row['devices']:,} devices, {row['rows']:,} rows: {row['seconds']:.1f} s, peak {row['peak_mb']:,.0f} MB"
        )
    keep("anomaly", content)


if __name__ == "__main__":
    main()
