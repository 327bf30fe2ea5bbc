"""Training: judged on a later period, pooled or refused with few failures, the same with the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import FleetSpec, TrainingSettings
from aftercast.models.fit.training import Trained, train_model
from aftercast.models.hazard import HazardSettings
from aftercast.operations.clocks import DAY_US
from aftercast.operations.errors import NotEnoughDataError

UNTIL = pd.Timestamp(60 * DAY_US, unit="us", tz="UTC")
SMALL = HazardSettings(rounds=30, fallback_rounds=20, workers=1)


def _train(world: Any, least: int = 10) -> Trained:
    spec = FleetSpec(name="s", training=TrainingSettings(minimum_failures=least))
    return train_model(
        "failure",
        world.features,
        world.examples,
        world.labels,
        spec,
        horizons_us=(DAY_US, 3 * DAY_US),
        until=UNTIL,
        settings=SMALL,
    )


@pytest.fixture(scope="module")
def trained(world: Any) -> Trained:
    return _train(world)


def test_the_model_stands_beside_every_baseline_and_beats_the_base_rate(trained: Trained) -> None:
    assert set(trained.metrics) == {"aftercast", "age", "base_rate", "logistic", "rule"}
    assert trained.better_than_base
    own, base = (trained.metrics[name]["pump"]["roc_auc"] for name in ("aftercast", "base_rate"))
    assert own > 0.7
    assert base == 0.5


def test_the_forecast_is_calibrated(trained: Trained, make_world: Any) -> None:
    fresh = make_world(seed=9)
    found = trained.model.predict(fresh.features).probability[:, 0, 0]
    assert found.mean() == pytest.approx(fresh.truth[:, 0].mean(), rel=0.15)


def test_training_twice_gives_the_same_bits(trained: Trained, world: Any) -> None:
    again = _train(world).model.predict(world.features).probability
    assert np.array_equal(again, trained.model.predict(world.features).probability)


def test_too_few_failures_of_every_component_are_refused_with_the_counts(world: Any) -> None:
    with pytest.raises(NotEnoughDataError, match=r"pump \d+, fan \d+.*lower minimum_failures"):
        _train(world, least=100_000)


def test_undefined_metrics_are_left_out_of_the_flat_ones(trained: Trained) -> None:
    flat = trained.flat_metrics()["base_rate"]
    assert all(np.isfinite(value) for value in flat.values())
    assert "recall_per_failure@1%" in flat
