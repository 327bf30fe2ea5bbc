"""Similar past cases: whose outcome is known, one of each device, by the reasons of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.examples.cases import build_cases
from aftercast.models.hazard.drivers import contributions
from aftercast.models.hazard.forecast import PartUse
from aftercast.models.registry.versions import Loaded, load_champion
from aftercast.models.scoring.snapshot import Snapshot, take_snapshot
from aftercast.models.words.past_repairs import PastRepair, parts_of, repairs_after
from aftercast.models.words.similar_cases import SimilarCase, _nearest_of_each, similar_cases
from aftercast.operations.clocks import DAY_US, parse_time, timestamp_us

NOW = parse_time("2025-05-20")
WEEK_US = 7 * DAY_US
TABLES = ("devices", "customers", "telemetry", "faults", "failures", "repairs", "parts_used")


@pytest.fixture(scope="module")
def loaded(fleet_workspace: Workspace) -> Loaded:
    return load_champion(fleet_workspace, "failure")


@pytest.fixture(scope="module")
def row(fleet_workspace: Workspace, loaded: Loaded) -> Snapshot:
    """The device most at risk."""
    snapshot = take_snapshot(fleet_workspace.store, fleet_workspace.fleet, "failure", NOW)
    risks = loaded.model.predict(snapshot.features).within(WEEK_US)[1]
    return snapshot.of([str(snapshot.ids[int(np.argmax(risks))])])


def similar(workspace: Workspace, loaded: Loaded, row: Snapshot, count: int = 8) -> list[SimilarCase]:
    return similar_cases(loaded.model, row, workspace.store, workspace.fleet, horizon_us=WEEK_US, count=count)


@pytest.fixture(scope="module")
def found(fleet_workspace: Workspace, loaded: Loaded, row: Snapshot) -> list[SimilarCase]:
    return similar(fleet_workspace, loaded, row)


def test_each_device_is_there_once_with_its_nearest_case_nearest_first() -> None:
    ids, distance = np.array(["a", "b", "a", "b", "c"]), np.array([3.0, 2.0, 1.0, 2.0, 2.5])
    assert _nearest_of_each(ids, distance) == [2, 3, 4]


def test_cases_ended_a_horizon_before_the_cutoff_and_lie_weeks_apart(found: list[SimilarCase]) -> None:
    assert len(found) == 8
    assert len({case.entity_id for case in found}) == 8
    assert [case.distance for case in found] == sorted(case.distance for case in found)
    for case in found:
        ago = NOW - case.cutoff
        assert ago >= pd.Timedelta(days=7)
        assert ago % pd.Timedelta(days=7) == pd.Timedelta(0)


def test_the_distance_is_that_of_the_reasons_and_no_case_of_the_device_is_nearer(
    fleet_workspace: Workspace, loaded: Loaded, row: Snapshot, found: list[SimilarCase]
) -> None:
    store, case = fleet_workspace.store, found[0]
    weeks = np.array([timestamp_us(case.cutoff - pd.Timedelta(days=7 * back)) for back in range(6)])[::-1]
    cases = build_cases("failure", store, fleet_workspace.fleet, weeks, version=store.version(), known_at=NOW)
    own = cases.take(cases.examples.ids == case.entity_id)
    away = contributions(loaded.model, own.features) - contributions(loaded.model, row.features)
    distance = np.linalg.norm(away, axis=1)
    assert distance[-1] == pytest.approx(case.distance, rel=1e-12)
    assert distance.min() == pytest.approx(case.distance, rel=1e-12)


def test_what_became_of_a_case_is_what_the_store_says(fleet_workspace: Workspace, found: list[SimilarCase]) -> None:
    failures = fleet_workspace.store.read("failures", known_at=NOW)
    for case in found:
        own = failures[(failures["device_id"] == case.entity_id) & (failures["event_time"] > case.cutoff)]
        if case.component is None or case.after_days is None:
            horizon = case.cutoff + pd.Timedelta(days=case.watched_days)
            assert own[own["event_time"] <= horizon].empty
            assert case.watched_days >= 7
        else:
            first = own.sort_values("event_time").iloc[0]
            assert first["component"] == case.component
            assert (first["event_time"] - case.cutoff) / pd.Timedelta(days=1) == pytest.approx(case.after_days)
    assert any(case.component is not None for case in found)


def test_nothing_known_after_the_cutoff_changes_a_case(
    fleet_workspace: Workspace, loaded: Loaded, found: list[SimilarCase], tmp_path: Path
) -> None:
    """The store as it was, and failures of every device on the day before told of just after."""
    cut, store = create_workspace(tmp_path / "cut", fleet_workspace.fleet), fleet_workspace.store
    known = [Batch(table, store.read(table, known_at=NOW), table) for table in TABLES]
    devices = store.read("devices", known_at=NOW)["device_id"].unique()
    soon, before = NOW + pd.Timedelta(microseconds=1), NOW - pd.Timedelta(days=9)
    late = pd.DataFrame(
        {"device_id": devices, "event_time": before, "component": cut.fleet.component_names[0], "available_at": soon}
    )
    ingest(cut.store, [*known, Batch("failures", late, "late")], cut.fleet, origin="cut")
    snapshot = take_snapshot(cut.store, cut.fleet, "failure", NOW)
    risks = loaded.model.predict(snapshot.features).within(WEEK_US)[1]
    again = similar(cut, loaded, snapshot.of([str(snapshot.ids[int(np.argmax(risks))])]))
    assert again == found
    cut.store.database.dispose()


def test_without_an_earlier_time_there_is_no_case(fleet_workspace: Workspace, loaded: Loaded) -> None:
    begun = fleet_workspace.store.read("telemetry", columns=["event_time"])["event_time"].min()
    snapshot = take_snapshot(
        fleet_workspace.store, fleet_workspace.fleet, "failure", begun.normalize() + pd.Timedelta(days=5)
    )
    assert similar(fleet_workspace, loaded, snapshot.of([str(snapshot.ids[0])])) == []


def closed(name: str, *parts: tuple[str, float], outcome: str | None = "replaced") -> PastRepair:
    return PastRepair(name, NOW, "corrective", "pump", outcome, 1.0, parts)


def test_parts_are_counted_over_closed_work_orders_by_hand() -> None:
    repairs = [closed("1", ("B", 1.0), ("A", 2.0)), closed("2", ("B", 3.0)), closed("3"), closed("4", outcome=None)]
    assert parts_of(repairs) == [PartUse("B", 2, 3, 2.0), PartUse("A", 1, 3, 2.0)]


def test_repairs_of_a_case_are_those_of_its_component_after_the_failure_as_known_at_the_cutoff(
    fleet_workspace: Workspace,
) -> None:
    store = fleet_workspace.store
    rows = store.read("repairs").drop_duplicates("work_order_id", keep="last")
    failures = store.read("failures")
    joined = failures.merge(rows[rows["kind"] == "corrective"], on=["device_id", "component"], suffixes=("", "_repair"))
    joined = joined[(joined["opened_at"] >= joined["event_time"]) & joined["outcome"].notna()]
    pair = joined.sort_values("event_time").iloc[0]
    start = pair["event_time"] - pd.Timedelta(days=2)
    case = SimilarCase(pair["device_id"], "M", start, 0.0, 0.1, pair["component"], 2.0, 30.0)
    told = repairs_after(case, store, cutoff=pair["available_at_repair"])
    assert told[0].work_order_id == pair["work_order_id"]
    assert told[0].outcome == pair["outcome"]
    just_before = pair["available_at_repair"] - pd.Timedelta(microseconds=1)
    earlier = repairs_after(case, store, cutoff=just_before)
    assert [each.outcome for each in earlier] in ([], [None])
    none = SimilarCase(case.entity_id, "M", start, 0.0, 0.1, None, None, 30.0)
    assert repairs_after(none, store, cutoff=NOW) == ()
