"""The feature dictionary names every column once and its digest notices every change."""

from __future__ import annotations

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
