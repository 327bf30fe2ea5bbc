"""Devices of a generation nobody has seen: judged by the same model from what is known of them, and it says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace
from aftercast.models.hazard.forecast import HazardForecast
from aftercast.models.registry.versions import load_champion
from aftercast.models.scoring.fleet import judge
from aftercast.models.scoring.snapshot import Snapshot, take_snapshot
from aftercast.models.words.answers import answer
from aftercast.operations.clocks import DAY_US, parse_time

NOW = parse_time("2025-05-20")
DAY = pd.Timedelta(days=1)
NEW = [f"NEW{number:03d}" for number in range(20)]


@pytest.fixture
def snapshot(own_fleet: Workspace) -> Snapshot:
    """The fleet with twenty devices of an unknown model, installed a week ago, that never sent anything."""
    devices = pd.DataFrame(
        {
            "device_id": NEW,
            "device_model": "ZZ-9",
            "hardware_generation": "G99",
            "installed_at": NOW - 7 * DAY,
            "available_at": NOW - 7 * DAY,
        }
    )
    report = ingest(own_fleet.store, [Batch("devices", devices, "new.csv")], own_fleet.fleet, origin="new")
    assert report.tables["devices"].kept == len(NEW)
    return take_snapshot(own_fleet.store, own_fleet.fleet, "failure", NOW)


def scores_of(workspace: Workspace, snapshot: Snapshot) -> dict[str, HazardForecast]:
    return {score.entity_id: score for score in judge(load_champion(workspace, "failure"), snapshot, workspace.fleet)}


def test_a_new_generation_gets_about_the_share_of_failures_of_the_fleet_and_says_what_it_rests_on(
    own_fleet: Workspace, snapshot: Snapshot
) -> None:
    scores = scores_of(own_fleet, snapshot)
    failures = own_fleet.store.read("failures", known_at=NOW)
    watched = failures["event_time"] > NOW - 60 * DAY
    share = watched.sum() / (len(scores) - len(NEW)) * 7 / 60
    new = np.array([scores[name].any_risk[scores[name].horizons_us.index(7 * DAY_US)] for name in NEW])
    assert share / 6 < new.mean() < share * 3  # a week old: less than a fleet of all ages, and never nothing
    assert (new > 0).all()
    assert {scores[name].evidence for name in NEW} == {"cohort"}
    assert set(own_fleet.fleet.sensor_names) == set(scores[NEW[0]].missing)
    assert answer(scores[NEW[0]], "7d").interval is not None


def test_an_unknown_model_is_judged_as_one_whose_model_is_not_known(own_fleet: Workspace, snapshot: Snapshot) -> None:
    model = load_champion(own_fleet, "failure").model
    rows = snapshot.of(NEW).features
    named = [name for name in ("device_model", "hardware_generation") if name in rows.columns]
    assert named
    nameless = rows.assign(**{name: pd.Series([None] * len(rows), dtype=rows[name].dtype) for name in named})
    assert np.array_equal(model.predict(rows).any_probability, model.predict(nameless).any_probability)


def test_devices_that_were_there_before_keep_their_features_to_the_bit(
    fleet_workspace: Workspace, snapshot: Snapshot
) -> None:
    """A model of its own is a cohort of its own."""
    before = take_snapshot(fleet_workspace.store, fleet_workspace.fleet, "failure", NOW)
    after = snapshot.of([str(name) for name in before.ids])
    assert after.ids.tolist() == before.ids.tolist()
    numbers = before.features.select_dtypes("number").columns
    pd.testing.assert_frame_equal(after.features[numbers], before.features[numbers], check_exact=True)
