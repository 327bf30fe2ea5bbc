"""Window features of a year of hourly telemetry: aftercast, pandas and polars on the same file, results compared.

``python -m benchmarks.bench_features`` makes the fleet, runs each contestant on one thread or two and checks that they
agree. The data are regular and on time; what is marked "no gaps allowed" relies on that and rolls over rows.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
from benchmarks.harness import Contestant, Row, measure, report

from aftercast.data.fleet import Component, FaultCode, FeatureSettings, FleetSpec, Sensor
from aftercast.features.build import build_device_features
from aftercast.features.context import DeviceContext
from aftercast.features.examples import device_examples
from aftercast.features.history import History
from aftercast.features.scope import Scope
from aftercast.features.views.age import VIEW as AGE
from aftercast.features.views.faults import VIEW as FAULTS
from aftercast.features.views.rolling import VIEW as ROLLING
from aftercast.operations.clocks import DAY_US, HOUR_US, timestamp_us

HOURS: Final = 8_761
EVERY: Final = 3
SENSORS: Final = ("volt", "rotate", "pressure", "vibration")
LEVELS: Final = ((170.0, 15.0), (450.0, 50.0), (100.0, 10.0), (40.0, 5.0))
CODES: Final = tuple(f"error{i}" for i in range(1, 6))
COMPONENTS: Final = tuple(f"comp{i}" for i in range(1, 5))
WINDOWS: Final = (3, 24, 72, 168)
EVENT_WINDOWS: Final = (24, 168)
TREND: Final = 24
HALF_LIFE: Final = 24
LOOK_BACK: Final = 168
START: Final = pd.Timestamp("2015-01-01", tz="UTC").as_unit("us")
SAMPLE: Final = 97  # every 97th row past the first week is compared
Columns = dict[str, npt.NDArray[Any]]

SPEC: Final = FleetSpec(
    name="bench",
    sensors=tuple(Sensor(name=name) for name in SENSORS),
    components=tuple(Component(name=name) for name in COMPONENTS),
    fault_codes=tuple(FaultCode(code=code) for code in CODES),
    features=FeatureSettings(
        windows=tuple(f"{w}h" for w in WINDOWS),
        trend_window=f"{TREND}h",
        half_life=f"{HALF_LIFE}h",
        event_windows=tuple(f"{w}h" for w in EVENT_WINDOWS),
    ),
)


EQUAL = 1e-8  # relative; rolling means of products lose some digits


def make_fleet(folder: Path, part: int, devices: int) -> None:
    """Write devices, a year of hourly telemetry, faults and failures of some devices, all known at once."""
    random = np.random.default_rng(part)
    ids = [f"m{part:02}{i:03}" for i in range(devices)]
    times = pd.date_range(START, periods=HOURS, freq="h")
    rows = devices * HOURS
    telemetry = pd.DataFrame({"device_id": np.repeat(ids, HOURS), "event_time": np.tile(times, devices)})
    for name, (level, spread) in zip(SENSORS, LEVELS, strict=True):
        telemetry[name] = random.normal(level, spread, rows)
    faults = _events(random, ids, "code", CODES, 39)
    failures = _events(random, ids, "component", COMPONENTS, 8)
    table = pd.DataFrame({"device_id": ids, "device_model": "M1", "installed_at": START, "available_at": START})
    for name, frame in {"devices": table, "telemetry": telemetry, "faults": faults, "failures": failures}.items():
        known = frame if name == "devices" else frame.assign(available_at=frame["event_time"])
        known.to_parquet(folder / f"{name}_{part}.parquet", index=False)


def _events(
    random: np.random.Generator, ids: list[str], column: str, names: tuple[str, ...], each: int
) -> pd.DataFrame:
    n, times = each * len(ids), pd.date_range(START, periods=HOURS, freq="h")
    frame = pd.DataFrame(
        {
            "device_id": random.choice(ids, n),
            "event_time": times[random.integers(0, HOURS, n)],
            column: random.choice(names, n),
        }
    )
    return frame.drop_duplicates().sort_values(["device_id", "event_time", column], ignore_index=True)


def cutoffs() -> npt.NDArray[np.int64]:
    """Every third hour of the year, microseconds."""
    return timestamp_us(START) + np.arange(0, HOURS, EVERY, dtype=np.int64) * HOUR_US


def _history(folder: Path, part: int) -> History:
    tables = ("devices", "telemetry", "faults", "failures")
    return History.from_frames(SPEC, {name: pd.read_parquet(folder / f"{name}_{part}.parquet") for name in tables})


def ours(folder: Path, part: int = 0) -> Columns:
    """Compute rolling, fault and age views in full precision."""
    history = _history(folder, part)
    examples = device_examples(history, cutoffs())
    context = DeviceContext(examples, Scope(SPEC), examples.offsets(history.device_ids), history)
    return {name: values for view in (ROLLING, FAULTS, AGE) for name, values in view.compute(context).items()}


def ours_in_parts(folder: Path, parts: int) -> int:
    """Rows of all views of a fleet in parts, one part in memory at a time."""
    rows = 0
    for part in range(parts):
        history = _history(folder, part)
        rows += len(build_device_features(history, device_examples(history, cutoffs())))
    return rows


def scan(folder: Path) -> int:
    """Read the telemetry and do nothing."""
    return int(pq.read_table(folder / "telemetry_0.parquet", use_threads=False).num_rows)


def trend_weights() -> npt.NDArray[np.float64]:
    """Weights whose sum with n regular readings is the least-squares slope per step."""
    steps = np.arange(TREND) - (TREND - 1) / 2
    return np.asarray(steps / (steps**2).sum())


def decay_weights() -> npt.NDArray[np.float64]:
    """Weights of the exponential mean, oldest first."""
    weights = 2.0 ** (np.arange(-LOOK_BACK + 1, 1) / HALF_LIFE)
    return np.asarray(weights / weights.sum())


def with_pandas(folder: Path, of_time: bool = True) -> Columns:
    """Group by device and roll over time, as one writes it for telemetry with gaps.

    Without ``of_time`` over rows, trend and exponential mean by convolution: right only where no reading is missing.
    """
    telemetry = pd.read_parquet(folder / "telemetry_0.parquet")
    groups = telemetry.groupby("device_id", sort=False)
    chosen = np.tile(np.arange(HOURS) % EVERY == 0, groups.ngroups)
    found: Columns = {}
    for window in WINDOWS:
        rolling = _rolling(groups, window, of_time)
        for statistic in ("mean", "std", "min", "max"):
            values = getattr(rolling, statistic)()
            found |= {f"{s}_{statistic}_{window}h": values[s].to_numpy()[chosen] for s in SENSORS}
    found |= _pandas_weighted(telemetry, groups, chosen) if of_time else _pandas_convolved(telemetry, chosen)
    grid = telemetry[["device_id", "event_time"]]
    return found | _pandas_counts(folder, grid, chosen) | _pandas_ages(folder, grid, chosen)


def _pandas_weighted(telemetry: pd.DataFrame, groups: Any, chosen: npt.NDArray[np.bool_]) -> Columns:
    """Trend by rolling means of products, exponential mean by ``ewm`` less what lies before its look-back."""
    hours = (telemetry["event_time"] - START) / pd.Timedelta(hours=1)
    products = {f"{s}_time": hours * telemetry[s] for s in SENSORS}
    wide = telemetry.assign(hours=hours, squares=hours**2, **products)
    columns = ["event_time", "hours", "squares", *SENSORS, *products]
    means = wide.groupby("device_id", sort=False)[columns].rolling(f"{TREND}h", on="event_time").mean()
    spread = means["squares"] - means["hours"] ** 2
    smooth = groups[list(SENSORS)].ewm(halflife=HALF_LIFE).mean()
    decay = 2.0 ** (-1.0 / HALF_LIFE)
    position = np.tile(np.arange(HOURS), groups.ngroups)
    total = smooth.mul((1 - decay ** (position + 1.0)) / (1 - decay), axis=0)
    before = total.groupby(level=0, sort=False).shift(LOOK_BACK) * decay**LOOK_BACK
    found: Columns = {}
    for s in SENSORS:
        slope = (means[f"{s}_time"] - means["hours"] * means[s]) / spread
        found[f"{s}_trend_{TREND}h"] = slope.to_numpy()[chosen]
        kept = (total[s] - before[s]) / ((1 - decay**LOOK_BACK) / (1 - decay))
        found[f"{s}_expmean_{HALF_LIFE}h"] = kept.to_numpy()[chosen]
    return found


def _pandas_convolved(telemetry: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> Columns:
    found: Columns = {}
    for sensor in SENSORS:
        values = telemetry[sensor].to_numpy().reshape(-1, HOURS)
        found[f"{sensor}_trend_{TREND}h"] = _convolved(values, trend_weights())[chosen]
        found[f"{sensor}_expmean_{HALF_LIFE}h"] = _convolved(values, decay_weights())[chosen]
    return found


def _rolling(groups: Any, window: int, of_time: bool) -> Any:
    if of_time:
        return groups[["event_time", *SENSORS]].rolling(f"{window}h", on="event_time")
    return groups[list(SENSORS)].rolling(window, min_periods=1)


def _convolved(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.concatenate([np.convolve(row, weights[::-1])[:HOURS] for row in values])


def _pandas_counts(folder: Path, grid: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> Columns:
    faults = pd.read_parquet(folder / "faults_0.parquet")
    counts = faults.pivot_table(
        index=["device_id", "event_time"], columns="code", values="available_at", aggfunc="count", fill_value=0
    )
    wide = grid.merge(counts.reset_index(), on=["device_id", "event_time"], how="left").fillna(dict.fromkeys(CODES, 0))
    found: Columns = {}
    for window in EVENT_WINDOWS:
        summed = wide.groupby("device_id", sort=False)[list(CODES)].rolling(window, min_periods=1).sum()
        found |= {f"{code}_count_{window}h": summed[code].to_numpy()[chosen] for code in CODES}
    return found


def _pandas_ages(folder: Path, grid: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> Columns:
    failures = pd.read_parquet(folder / "failures_0.parquet").sort_values("event_time")
    asked = grid[chosen].reset_index(drop=True).reset_index().sort_values("event_time")
    found: Columns = {}
    for component in COMPONENTS:
        own = failures.loc[failures["component"] == component, ["device_id", "event_time"]]
        own = own.assign(renewed=own["event_time"])
        last = pd.merge_asof(asked, own, on="event_time", by="device_id").sort_values("index")
        since = last["renewed"].fillna(START)
        found[f"{component}_age_hours"] = np.asarray(last["event_time"] - since) / np.timedelta64(1, "h")
    return found


def with_polars(folder: Path) -> Columns:
    """Use rolling expressions over device, all in one query."""
    telemetry = pl.read_parquet(folder / "telemetry_0.parquet")
    rolled = {"mean": "rolling_mean", "std": "rolling_std", "min": "rolling_min", "max": "rolling_max"}
    made = [
        getattr(pl.col(s), method)(w, min_samples=1).over("device_id").alias(f"{s}_{name}_{w}h")
        for s in SENSORS
        for w in WINDOWS
        for name, method in rolled.items()
    ]
    for sensor in SENSORS:
        trend = pl.col(sensor).rolling_sum(TREND, weights=trend_weights().tolist())
        decayed = pl.col(sensor).rolling_sum(LOOK_BACK, weights=decay_weights().tolist())
        made.append(trend.over("device_id").alias(f"{sensor}_trend_{TREND}h"))
        made.append(decayed.over("device_id").alias(f"{sensor}_expmean_{HALF_LIFE}h"))
    hour = pl.int_range(pl.len()).over("device_id")
    frame = telemetry.with_columns(made).filter(hour % EVERY == 0)
    columns = {name: frame[name].to_numpy() for name in frame.columns if name not in telemetry.columns}
    grid = telemetry.select("device_id", "event_time")
    return columns | _polars_counts(folder, grid) | _polars_ages(folder, grid)


def _polars_counts(folder: Path, grid: pl.DataFrame) -> Columns:
    faults = pl.read_parquet(folder / "faults_0.parquet")
    counts = faults.pivot("code", index=["device_id", "event_time"], values="available_at", aggregate_function="len")  # noqa: PD010 - polars
    wide = grid.join(counts, on=["device_id", "event_time"], how="left", maintain_order="left")
    wide = wide.with_columns(pl.col(list(CODES)).fill_null(0).cast(pl.Float64))
    summed = wide.with_columns(
        pl.col(code).rolling_sum(window, min_samples=1).over("device_id").alias(f"{code}_count_{window}h")
        for code in CODES
        for window in EVENT_WINDOWS
    ).filter(pl.int_range(pl.len()).over("device_id") % EVERY == 0)
    return {f"{c}_count_{w}h": summed[f"{c}_count_{w}h"].to_numpy() for c in CODES for w in EVENT_WINDOWS}


def _polars_ages(folder: Path, grid: pl.DataFrame) -> Columns:
    failures = pl.read_parquet(folder / "failures_0.parquet")
    asked = grid.filter(pl.int_range(pl.len()).over("device_id") % EVERY == 0).with_row_index().sort("event_time")
    found: Columns = {}
    for component in COMPONENTS:
        own = failures.filter(pl.col("component") == component).select(
            "device_id", "event_time", renewed=pl.col("event_time")
        )
        last = asked.join_asof(own.sort("event_time"), on="event_time", by="device_id", check_sortedness=False)
        age = (pl.col("event_time") - pl.col("renewed").fill_null(START)).dt.total_microseconds() / HOUR_US
        found[f"{component}_age_hours"] = last.sort("index").select(age.alias("age"))["age"].to_numpy()
    return found


def keep(path: Path, columns: Columns) -> None:
    """Write a sample of rows after the first week, where every window is full."""
    per_device = -(-HOURS // EVERY)
    row = np.arange(len(columns["volt_mean_3h"]))
    chosen = (row % SAMPLE == 0) & (row % per_device >= LOOK_BACK)
    np.savez(path, **{name: values[chosen] for name, values in columns.items()})


def disagreement(mine: Path, other: Path) -> float:
    """Greatest relative difference in the columns that both have; the trend is measured against its spread."""
    left, right = np.load(mine), np.load(other)
    worst = 0.0
    for name in right.files:
        scale = np.maximum(np.abs(right[name]), np.std(right[name]))
        difference = np.abs(left[name] - right[name]) / np.where(scale > 0, scale, 1.0)
        worst = max(worst, float(np.max(difference)))
    return worst


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--parts", type=int, default=10, help="fleet of so many times the devices for the scale row")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for part in range(options.parts):
            make_fleet(folder, part, options.devices)
        rows = _rows(folder, options.repeats, options.parts)
    readings = options.devices * HOURS
    note = f"{readings:,} rows x {len(SENSORS)} sensors, cutoffs every {EVERY} h; one thread unless said"
    report("features", rows, f"{note}; best of {options.repeats}")


def use_threads(number: int) -> None:
    """Let the processes that are started from now on use so many threads."""
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(number)


def _rows(folder: Path, repeats: int, parts: int) -> list[Row]:
    ways: list[tuple[str, int, Callable[[Path], Columns]]] = [
        ("aftercast", 1, ours),
        ("aftercast, 2 threads", 2, ours),
        ("pandas", 1, with_pandas),
        ("pandas, no gaps allowed", 1, partial(with_pandas, of_time=False)),
        ("polars, no gaps allowed", 1, with_polars),
        ("polars, no gaps allowed, 2 threads", 2, with_polars),
    ]
    use_threads(1)
    rows = [measure(Contestant("bare scan", scan, (folder,)), repeats)]
    for name, threads, run in ways:
        use_threads(threads)
        path = folder / f"{name}.npz"
        warm = _compile if run is ours else None
        rows.append(measure(Contestant(name, run, (folder,), warm, partial(keep, path)), repeats))
        worst = disagreement(folder / "aftercast.npz", path)
        if worst > EQUAL:
            raise SystemExit(f"{name} disagrees with aftercast by {worst:.2e}")
        rows[-1].details["disagreement"] = worst
    use_threads(1)
    for number in (1, parts):
        what = f"aftercast, all views, {number} x the fleet"
        rows.append(measure(Contestant(what, ours_in_parts, (folder, number), _compile), 1))
    return rows


def _compile(folder: Path, *_: int) -> None:
    """Load the compiled kernels by one cutoff of the fleet."""
    history = _history(folder, 0)
    build_device_features(history, device_examples(history, [int(cutoffs()[0]) + DAY_US]))


if __name__ == "__main__":
    main()
