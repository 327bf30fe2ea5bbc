"""Every baseline is discovered and keeps the same promises."""

from __future__ import annotations

from typing import Any

import pytest

from aftercast.data.fleet import FleetSpec, Rule, Sensor
from aftercast.models.baselines import Baseline, BaselineData, baselines
from aftercast.models.baselines.rule import flags
from aftercast.operations.clocks import DAY_US

SPEC = FleetSpec(name="small")


def test_the_four_baselines_are_found() -> None:
    assert [baseline.name for baseline in baselines()] == ["age", "base_rate", "logistic", "rule"]


@pytest.mark.parametrize("baseline", baselines(), ids=lambda baseline: str(baseline.name))
def test_it_forecasts_probabilities_whose_mean_is_the_share_of_failures(baseline: Baseline, world: Any) -> None:
    fitted = baseline.fit(BaselineData(world.features, world.labels, DAY_US, SPEC))
    found = fitted.predict(world.features)
    assert found.shape == (len(world.features), 2)
    assert ((found > 0) & (found < 1)).all()
    assert found.mean(axis=0) == pytest.approx(world.labels.event_within(0, DAY_US).mean(axis=0), rel=0.05)


def test_logistic_and_rule_see_the_stress(world: Any) -> None:
    data = BaselineData(world.features, world.labels, DAY_US, SPEC)
    high = world.features["stress"].to_numpy() > 1.5
    for baseline in baselines():
        found = baseline.fit(data).predict(world.features)[:, 0]
        raised = found[high].mean() > 2 * found[~high].mean()
        assert raised == (baseline.name in {"logistic", "rule"})


def test_the_rules_of_the_fleet_come_before_fault_codes(world: Any) -> None:
    spec = FleetSpec(name="s", sensors=(Sensor(name="volt"),), rules=(Rule(sensor="volt", above=1.0),))
    features = world.features.head(3).assign(volt_max_24h=[0.5, 1.0, 2.0], volt_max_72h=[9.0, 9.0, 9.0])
    assert flags(spec, features).tolist() == [False, False, True]
