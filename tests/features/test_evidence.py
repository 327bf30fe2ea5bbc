"""Evidence: telemetry while it is fresh, else history, else the cohort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from aftercast.data.fleet import FleetSpec
from aftercast.features.build import build_device_features
from aftercast.features.evidence import data_as_of, evidence_class
from aftercast.features.examples import Examples, device_examples
from aftercast.features.history import History
from aftercast.operations.clocks import timestamp_us

Frame = Callable[..., pd.DataFrame]


def test_stale_telemetry_is_no_evidence(spec: FleetSpec, frame: Frame, devices: Any, at: Any) -> None:
    frames = {
        "devices": devices(*"abc"),
        "telemetry": frame("device_id event_time volt", [("a", 10, 1.0), ("b", 10, 1.0)]),
        "faults": frame("device_id event_time code", [("b", 5, "E1")]),
    }
    history = History.from_frames(spec, frames)
    found = {}
    for hours in (34, 35):
        examples = device_examples(history, [timestamp_us(at(hours))])
        found[hours] = evidence_class(build_device_features(history, examples), spec).tolist()
    assert found[34] == ["telemetry", "telemetry", "cohort"]
    assert found[35] == ["cohort", "history", "cohort"]


def test_data_is_as_of_the_newest_record_available_at_the_cutoff(
    spec: FleetSpec, frame: Frame, devices: Any, at: Any
) -> None:
    faults = frame("device_id event_time available_at code", [("a", 5, 30, "E1"), ("a", 20, 20, "E1")])
    history = History.from_frames(spec, {"devices": devices("a"), "faults": faults})
    cutoffs = [timestamp_us(at(hours)) for hours in (-2000, 10, 29, 30)]
    moments = data_as_of(history, Examples.of(["a"] * 4, cutoffs))
    assert moments.isna().tolist() == [True, False, False, False]
    assert list(moments[1:]) == [at(-1000), at(20), at(30)]
