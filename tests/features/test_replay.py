"""Late, repeated, corrected or still to come: a feature at T is what a store cut at T gives, bit for bit."""

# ruff: noqa: PLR0917 - fixtures and drawn values are passed by name

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aftercast.data.fleet import FleetSpec
from aftercast.features.build import build_customer_features, build_device_features
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.examples import customer_examples, device_examples
from aftercast.features.history import History
from aftercast.operations.clocks import HOUR_US, from_us, timestamp_us

Frame = Callable[..., pd.DataFrame]
hours = st.integers(0, 120).map(lambda quarters: quarters / 2)
delays = st.sampled_from([0.0, 0.0, 0.0, 0.5, 3.0, 20.0])
ids = st.sampled_from(["a", "b", "c"])
values = st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False))
kinds = st.sampled_from(["corrective", "preventive", "proactive", "inspection"])
outcomes = st.sampled_from([None, "replaced", "no_fault_found"])
components = st.sampled_from([None, "pump", "frame"])


def rows(*parts: st.SearchStrategy[Any], most: int = 40) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    return st.lists(st.tuples(*parts), max_size=most)


fleets = st.fixed_dictionaries(
    {
        "telemetry": rows(ids, hours, delays, values, values, most=80),
        "faults": rows(ids, hours, delays, st.sampled_from(["E1", "E2"])),
        "failures": rows(ids, hours, delays, st.sampled_from(["pump", "frame"]), most=8),
        "repairs": rows(st.sampled_from("uvwxyz"), ids, hours, delays, kinds, components, outcomes, most=12),
        "moves": rows(ids, hours, st.sampled_from(["c1", "c2"]), st.sampled_from(["M1", "M2"]), most=4),
        "purchases": rows(st.sampled_from(["c1", "c2"]), hours, delays, st.floats(0, 100), most=10),
        "contacts": rows(st.sampled_from("klmn"), st.sampled_from(["c1", "c2"]), hours, delays, values, most=10),
    }
)
COLUMNS = {
    "telemetry": "device_id event_time available_at volt hours",
    "faults": "device_id event_time available_at code",
    "failures": "device_id event_time available_at component",
    "repairs": "work_order_id device_id opened_at available_at kind component outcome",
    "purchases": "customer_id event_time available_at amount",
    "contacts": "contact_id customer_id event_time available_at csat",
}


def frames_of(drawn: dict[str, Any], frame: Frame) -> dict[str, pd.DataFrame]:
    """Contract frames of drawn rows; the delay becomes the availability."""
    found = {}
    for table, columns in COLUMNS.items():
        place = columns.split().index("available_at")
        known = [(*row[:place], row[place - 1] + row[place], *row[place + 1 :]) for row in drawn[table]]
        found[table] = frame(columns, known)
    found["contacts"]["kind"] = "survey"
    facts = [(i, "M1", -100, -100, "c1") for i in "abc"]
    facts += [(i, model, -100, hour, customer) for i, hour, customer, model in drawn["moves"]]
    found["devices"] = frame("device_id device_model installed_at available_at customer_id", facts)
    found["customers"] = frame("customer_id since available_at", [(c, -90, -90) for c in ("c1", "c2")])
    return found


def plain(features: pd.DataFrame) -> pd.DataFrame:
    texts = {str(name): object for name, dtype in features.dtypes.items() if dtype == "category"}
    return features.astype(texts).reset_index(drop=True)


def assert_same_bits(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(plain(left), plain(right), check_exact=True)


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
cutoff_lists = st.lists(st.integers(0, 70), min_size=1, max_size=6, unique=True)


def moments(at: Any, drawn: list[int]) -> list[int]:
    return sorted(timestamp_us(at(hour)) for hour in drawn)


@quick
@given(drawn=fleets, cutoffs=cutoff_lists)
def test_device_features_are_those_of_a_history_cut_at_the_cutoff(
    spec: FleetSpec, frame: Frame, at: Any, drawn: dict[str, Any], cutoffs: list[int]
) -> None:
    frames = frames_of(drawn, frame)
    history = History.from_frames(spec, frames)
    examples = device_examples(history, moments(at, cutoffs))
    features = build_device_features(history, examples)
    for cutoff in np.unique(examples.cutoff_us):
        rows = examples.cutoff_us == cutoff
        moment = from_us(np.array([cutoff]))[0]
        known = {name: table[table["available_at"] <= moment] for name, table in frames.items()}
        for cut in (history.known_at(moment), History.from_frames(spec, known)):
            assert_same_bits(build_device_features(cut, examples.take(rows)), features[rows])


@quick
@given(drawn=fleets, cutoffs=cutoff_lists)
def test_the_fast_path_gives_the_bits_of_the_slow_one(
    spec: FleetSpec, frame: Frame, at: Any, drawn: dict[str, Any], cutoffs: list[int]
) -> None:
    history = History.from_frames(spec, frames_of(drawn, frame))
    examples = device_examples(history, moments(at, cutoffs))
    slow = build_device_features(history, examples, force_slow=True)
    assert_same_bits(build_device_features(history, examples), slow)


@quick
@given(drawn=fleets, hour=st.integers(0, 60), order=st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_rows_matters(
    spec: FleetSpec, frame: Frame, at: Any, drawn: dict[str, Any], hour: int, order: Any
) -> None:
    frames = {name: table.drop_duplicates(_clock(table)) for name, table in frames_of(drawn, frame).items()}
    shuffled = {}
    for name, table in frames.items():
        twice = list(range(len(table))) * 2
        order.shuffle(twice)
        shuffled[name] = table.iloc[twice].reset_index(drop=True)
    histories = [History.from_frames(spec, tables) for tables in (frames, shuffled)]
    built = [build_device_features(h, device_examples(h, [timestamp_us(at(hour))])) for h in histories]
    assert_same_bits(*built)


def _clock(table: pd.DataFrame) -> list[str]:
    """Columns that make a version of a fact: one key and one availability must mean one row."""
    keys = ["work_order_id", "contact_id"]
    own = [name for name in keys if name in table.columns]
    rest = [name for name in ("device_id", "customer_id", "event_time", "code", "component") if name in table.columns]
    return [*(own if own else rest), "available_at"]


@quick
@given(drawn=fleets, cutoffs=cutoff_lists)
def test_customer_features_are_those_of_a_history_cut_at_the_cutoff(
    spec: FleetSpec, frame: Frame, at: Any, drawn: dict[str, Any], cutoffs: list[int]
) -> None:
    history = CustomerHistory.from_frames(spec, frames_of(drawn, frame))
    examples = customer_examples(history, moments(at, cutoffs))
    features = build_customer_features(history, examples)
    for cutoff in np.unique(examples.cutoff_us):
        rows = examples.cutoff_us == cutoff
        cut = history.known_at(from_us(np.array([cutoff]))[0])
        assert_same_bits(build_customer_features(cut, examples.take(rows)), features[rows])


def test_a_record_of_the_future_changes_nothing(spec: FleetSpec, frame: Frame, devices: Any, at: Any) -> None:
    past = [("d", hour, float(hour % 7)) for hour in range(100)]
    future = [("d", hour, 1e300) for hour in range(101, 140)]
    cutoffs = [timestamp_us(at(0)) + hour * HOUR_US for hour in range(0, 101, 5)]
    built = []
    for readings in (past, past + future):
        telemetry = frame("device_id event_time volt", readings)
        history = History.from_frames(spec, {"devices": devices("d"), "telemetry": telemetry})
        built.append(build_device_features(history, device_examples(history, cutoffs)))
    assert_same_bits(*built)
