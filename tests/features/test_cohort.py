"""Cohort deviation: against the devices of the model at the same cutoff, whatever the buckets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.build import build_device_features, concat_features
from aftercast.features.cohort import add_cohort_features
from aftercast.features.examples import Examples, device_examples
from aftercast.features.history import History
from aftercast.operations.clocks import timestamp_us

Frame = Callable[..., pd.DataFrame]


def history_of(spec: FleetSpec, frame: Frame, volts: dict[str, float], model: str = "M1") -> History:
    telemetry = frame("device_id event_time volt", [(device, 1, volt) for device, volt in volts.items()])
    devices = frame("device_id device_model installed_at", [(device, model, -1) for device in volts])
    return History.from_frames(spec, {"devices": devices, "telemetry": telemetry})


def test_deviation_is_counted_in_the_cohorts_sample_std(spec: FleetSpec, frame: Frame, at: Any) -> None:
    volts = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 10.0}
    history = history_of(spec, frame, volts)
    built = build_device_features(history, device_examples(history, [timestamp_us(at(2))]))
    values = np.array(list(volts.values()))
    np.testing.assert_allclose(built["volt_cohort_3h"], (values - 4.0) / values.std(ddof=1), rtol=1e-6)


def test_a_cohort_of_fewer_than_five_readings_says_nothing(spec: FleetSpec, frame: Frame, at: Any) -> None:
    history = history_of(spec, frame, dict(zip("abcd", [1.0, 2.0, 3.0, 4.0], strict=True)))
    built = build_device_features(history, device_examples(history, [timestamp_us(at(2))]))
    assert built["volt_cohort_3h"].isna().all()


def test_devices_alike_have_no_deviation_rather_than_an_infinite_one(spec: FleetSpec, frame: Frame, at: Any) -> None:
    history = history_of(spec, frame, dict.fromkeys("abcdef", 1.5))
    built = build_device_features(history, device_examples(history, [timestamp_us(at(2))]))
    assert built["volt_cohort_3h"].isna().all()


def test_a_fleet_in_parts_gives_the_bits_of_the_whole(spec: FleetSpec, frame: Frame, at: Any) -> None:
    random = np.random.default_rng(0)
    volts = {f"d{i:02}": float(random.normal()) for i in range(12)}
    history = history_of(spec, frame, volts)
    cutoffs = [timestamp_us(at(hour)) for hour in (1, 2, 3)]
    whole = build_device_features(history, device_examples(history, cutoffs))
    parts, rows = [], []
    for bucket in (1, 0, 2):
        part = history_of(spec, frame, {d: v for i, (d, v) in enumerate(volts.items()) if i % 3 == bucket})
        rows.append(device_examples(part, cutoffs))
        parts.append(build_device_features(part, rows[-1], stage="device"))
    order = np.argsort(np.concatenate([r.ids for r in rows]), kind="stable")
    joined = concat_features(parts).iloc[order].reset_index(drop=True)
    examples = Examples.of(np.concatenate([r.ids for r in rows]), np.concatenate([r.cutoff_us for r in rows]))
    pd.testing.assert_frame_equal(add_cohort_features(joined, examples, spec), whole, check_exact=True)
