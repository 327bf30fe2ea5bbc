"""Every window statistic recomputed the slow way with pandas, over clean and over late data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.features.build import build_device_features
from aftercast.features.examples import Examples, device_examples
from aftercast.features.history import History
from aftercast.operations.clocks import HOUR_US, timestamp_us

Frame = Callable[..., pd.DataFrame]
WINDOWS = {"3h": 3, "24h": 24}


def readings(seed: int, *, late: bool) -> list[tuple[Any, ...]]:
    """Irregular readings of three devices with gaps, missing cells and a big offset; some late, some corrected."""
    random = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for device in "abc":
        for hour in np.unique(np.round(random.uniform(0, 400, 300), 2)):
            delay = float(random.choice([0, 0, 0, 1, 30])) if late else 0.0
            volt = None if random.random() < 0.1 else 1e6 + random.normal()
            rows.append((device, hour, hour + delay, volt))
            if late and random.random() < 0.1:
                rows.append((device, hour, hour + delay + float(random.integers(1, 50)), 1e6 + random.normal()))
    return rows


def visible(telemetry: pd.DataFrame, device: str, cutoff: pd.Timestamp) -> pd.Series:
    """Readings of a device as seen at a cutoff, by event time."""
    seen = telemetry[
        (telemetry["device_id"] == device) & (telemetry["event_time"] <= cutoff) & (telemetry["available_at"] <= cutoff)
    ].dropna(subset=["volt"])
    last = seen.sort_values("available_at", kind="stable").groupby("event_time")["volt"].last()
    return last.sort_index()


@pytest.mark.parametrize("late", [False, True])
def test_statistics_equal_those_of_pandas(spec: FleetSpec, frame: Frame, devices: Any, at: Any, late: bool) -> None:
    telemetry = frame("device_id event_time available_at volt", readings(1, late=late))
    history = History.from_frames(spec, {"devices": devices(*"abc"), "telemetry": telemetry})
    examples = device_examples(history, timestamp_us(at(0)) + np.arange(0, 460, 7) * HOUR_US)
    features = build_device_features(history, examples)
    for row, example in enumerate(examples.frame().itertuples()):
        past = visible(telemetry, str(example.device_id), example.cutoff)  # type: ignore[arg-type]
        found = features.iloc[row]
        for name, length in WINDOWS.items():
            window = past[past.index > example.cutoff - pd.Timedelta(hours=length)]  # type: ignore[operator]
            for statistic in ("mean", "std", "min", "max"):
                expected = np.float32(getattr(window, statistic)()) if len(window) else np.nan
                np.testing.assert_allclose(found[f"volt_{statistic}_{name}"], expected, rtol=1e-6)
        np.testing.assert_allclose(found["volt_last"], past.iloc[-1] if len(past) else np.nan, rtol=1e-6)


@pytest.mark.parametrize("late", [False, True])
def test_trend_and_exponential_mean_equal_their_formulas(
    spec: FleetSpec, frame: Frame, devices: Any, at: Any, late: bool
) -> None:
    telemetry = frame("device_id event_time available_at volt", readings(2, late=late))
    history = History.from_frames(spec, {"devices": devices(*"abc"), "telemetry": telemetry})
    examples = device_examples(history, timestamp_us(at(0)) + np.arange(30, 400, 31) * HOUR_US)
    features = build_device_features(history, examples)
    for row, example in enumerate(examples.frame().itertuples()):
        past = visible(telemetry, str(example.device_id), example.cutoff)  # type: ignore[arg-type]
        hours = np.asarray((past.index - example.cutoff) / pd.Timedelta(hours=1))  # type: ignore[operator]
        volts = past.to_numpy()
        day, recent = hours > -24, hours > -21
        slope = np.polyfit(hours[day], volts[day] - 1e6, 1)[0]
        weights = 2.0 ** (hours[recent] / 3.0)
        mean = (weights * volts[recent]).sum() / weights.sum()
        np.testing.assert_allclose(features["volt_trend_24h"].iloc[row], slope, rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(features["volt_expmean_3h"].iloc[row], mean, rtol=1e-7)


def test_a_tiny_spread_on_a_huge_level_is_not_cancelled_away(
    spec: FleetSpec, frame: Frame, devices: Any, at: Any
) -> None:
    rows = [("a", hour, 1e9 + hour % 2) for hour in range(400)]
    telemetry = frame("device_id event_time volt", rows)
    history = History.from_frames(spec, {"devices": devices("a"), "telemetry": telemetry})
    features = build_device_features(history, Examples.of(["a"], [timestamp_us(at(399))]))
    np.testing.assert_allclose(features["volt_std_24h"], np.std([0, 1] * 12, ddof=1), rtol=1e-6)
