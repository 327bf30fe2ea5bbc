"""The feature dictionary names every column once and its digest notices every change."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aftercast.data.fleet import FleetSpec, Sensor
from aftercast.features.dictionary import dictionary_hash, feature_dictionary
from aftercast.operations.errors import SettingsError


def test_the_digest_depends_on_the_definitions_and_their_order(spec: FleetSpec) -> None:
    features = feature_dictionary(spec, "device_id")
    assert dictionary_hash(features) == dictionary_hash(feature_dictionary(spec, "device_id"))
    assert dictionary_hash(features) != dictionary_hash(features[::-1])
    other = spec.model_copy(update={"sensors": (Sensor(name="volt", unit="mV"), *spec.sensors[1:])})
    assert dictionary_hash(features) != dictionary_hash(feature_dictionary(other, "device_id"))


def test_two_columns_of_one_name_are_refused(spec: FleetSpec) -> None:
    with pytest.raises(SettingsError, match="'device_age_days'"):
        feature_dictionary(spec, "device_id", {"device_age_days": "number"})


def test_levels_of_a_counter_are_left_out(spec: FleetSpec) -> None:
    names = {feature.name for feature in feature_dictionary(spec, "device_id")}
    assert {"volt_mean_3h", "hours_increase_3h"} <= names
    assert "hours_mean_3h" not in names


def test_no_id_of_a_customer_is_a_feature(spec: FleetSpec) -> None:
    for grain in ("device_id", "customer_id"):
        assert "customer_id" not in {feature.name for feature in feature_dictionary(spec, grain)}


def test_declaring_columns_calls_no_kernel() -> None:
    """Kernels take most of a minute to compile where nothing is cached, and a service declares at its first answer."""
    script = """
from numba.core.dispatcher import Dispatcher
called = []
Dispatcher._compile_for_args = lambda kernel, *values, **named: called.append(kernel.py_func.__name__)
from aftercast.data.fleet import Component, FaultCode, FleetSpec, Sensor
from aftercast.features.dictionary import feature_dictionary
sensors = (Sensor(name="temp"), Sensor(name="hours", cumulative=True))
spec = FleetSpec(name="f", sensors=sensors, components=(Component(name="pump"),), fault_codes=(FaultCode(code="E"),))
assert feature_dictionary(spec, "device_id")
assert feature_dictionary(spec, "customer_id")
assert not called, called
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
