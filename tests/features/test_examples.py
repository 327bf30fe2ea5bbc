"""Examples: a device is asked about while it is known to be in the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec
from aftercast.features.build import build_device_features
from aftercast.features.customer_history import CustomerHistory
from aftercast.features.examples import Examples, customer_examples, device_examples
from aftercast.features.history import History
from aftercast.operations.clocks import timestamp_us
from aftercast.operations.errors import InputError

Frame = Callable[..., pd.DataFrame]


def hours_of(examples: Examples, at: Any) -> list[float]:
    return [(cutoff - timestamp_us(at(0))) / 3.6e9 for cutoff in examples.cutoff_us]


@pytest.fixture
def cutoffs(at: Any) -> list[int]:
    return [timestamp_us(at(hour)) for hour in range(0, 60, 10)]


def test_a_device_is_in_the_field_from_installation_until_retirement(
    spec: FleetSpec, frame: Frame, at: Any, cutoffs: list[int]
) -> None:
    devices = frame("device_id device_model installed_at retired_at available_at", [("d", "M1", 10, 40, 0)])
    examples = device_examples(History.from_frames(spec, {"devices": devices}), cutoffs)
    assert hours_of(examples, at) == [10, 20, 30]


def test_a_device_installed_nobody_knows_when_is_in_the_field_once_it_is_known_and_has_no_age(
    spec: FleetSpec, frame: Frame, at: Any, cutoffs: list[int]
) -> None:
    devices = frame("device_id device_model installed_at retired_at available_at", [("d", "M1", None, 40, 15)])
    history = History.from_frames(spec, {"devices": devices})
    examples = device_examples(history, cutoffs)
    assert hours_of(examples, at) == [20, 30]
    assert build_device_features(history, examples)["device_age_days"].isna().all()


def test_a_retirement_counts_from_when_it_is_known(spec: FleetSpec, frame: Frame, at: Any, cutoffs: list[int]) -> None:
    versions = [("d", "M1", 0, None, 15), ("d", "M1", 0, 20, 50)]
    devices = frame("device_id device_model installed_at retired_at available_at", versions)
    examples = device_examples(History.from_frames(spec, {"devices": devices}), cutoffs)
    assert hours_of(examples, at) == [20, 30, 40]


def test_a_customer_is_asked_about_until_known_to_have_left(
    spec: FleetSpec, frame: Frame, at: Any, cutoffs: list[int]
) -> None:
    versions = [("c", 10, None, 10), ("c", 10, 30, 40)]
    customers = frame("customer_id since left_at available_at", versions)
    examples = customer_examples(CustomerHistory.from_frames(spec, {"customers": customers}), cutoffs)
    assert hours_of(examples, at) == [10, 20, 30]
    assert examples.grain == "customer_id"


def test_examples_are_sorted_and_distinct() -> None:
    examples = Examples.of(["b", "a", "b"], [1, 2, 1])
    assert examples.frame()["device_id"].tolist() == ["a", "b"]
    with pytest.raises(InputError, match="out of order"):
        Examples(np.array(["b", "a"]), np.array([1, 1]), "device_id")


def test_an_unknown_device_is_named(spec: FleetSpec, devices: Any) -> None:
    history = History.from_frames(spec, {"devices": devices("a")})
    with pytest.raises(InputError, match="first 'z'"):
        build_device_features(history, Examples.of(["z"], [1]))


def test_customers_are_not_devices(spec: FleetSpec, devices: Any) -> None:
    history = History.from_frames(spec, {"devices": devices("a")})
    with pytest.raises(InputError, match="customer_id"):
        build_device_features(history, Examples.of(["a"], [1], "customer_id"))
