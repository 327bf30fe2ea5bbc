"""What service writes down: two versions of a work order, visits without a fault, nothing after retirement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import pandas as pd
import pytest

from aftercast.data.simulator.config import COMPONENTS, FleetConfig, Run
from aftercast.data.simulator.fleet import Device, make_device
from aftercast.data.simulator.hazards import FAILURE, HOLDOUT, TREATED, DevicePath, walk
from aftercast.data.simulator.service import Service, serve
from aftercast.operations.clocks import DAY_US

DAYS, START = 240, 1_735_689_600_000_000
Lives = list[tuple[Device, DevicePath, Service]]


def lives(config: FleetConfig, count: int = 150) -> Iterator[tuple[Device, DevicePath, Service]]:
    run = Run(DAYS, START, 4, config)
    for k in range(count):
        device = make_device(k, k, DAYS, 4, config)
        path = walk(device, run)
        yield device, path, serve(device, path, run)


@pytest.fixture(scope="module")
def fleet() -> Lives:
    return list(lives(FleetConfig()))


@pytest.fixture(scope="module")
def orders(fleet: Lives) -> pd.DataFrame:
    return frame(fleet, "repairs")


def frame(fleet: Lives, table: str) -> pd.DataFrame:
    return pd.DataFrame(chain.from_iterable(service.rows[table] for _, _, service in fleet))


def test_a_work_order_is_known_open_then_closed(orders: pd.DataFrame) -> None:
    versions = orders.sort_values(["work_order_id", "available_at"]).groupby("work_order_id")
    assert versions.size().isin([1, 2]).all()
    opened, closed = versions.nth(0), versions.nth(1)
    assert opened[["closed_at", "outcome", "labour_hours", "cost"]].isna().to_numpy().all()
    assert (opened["available_at"] == opened["opened_at"]).all()
    assert closed[["closed_at", "outcome", "labour_hours", "cost"]].notna().to_numpy().all()
    assert (closed["available_at"] > closed["closed_at"]).all()
    assert (closed["closed_at"] > closed["opened_at"]).all()
    assert len(closed) > 0.9 * len(opened)


def test_only_orders_open_at_the_end_have_one_version(orders: pd.DataFrame) -> None:
    alone = orders.groupby("work_order_id").filter(lambda versions: len(versions) == 1)
    assert len(alone) > 0
    assert (alone["opened_at"] > START + (DAYS - 15) * DAY_US).all()


def test_every_failure_of_a_path_is_recorded_once_and_gets_an_order(fleet: Lives, orders: pd.DataFrame) -> None:
    failures = frame(fleet, "failures")
    drawn = sum(int((path.events[:, 0] == FAILURE).sum()) for _, path, _ in fleet)
    repaired = orders[(orders["kind"] == "corrective") & orders["component"].notna()]["work_order_id"].nunique()
    assert drawn - 5 <= len(failures) <= drawn
    assert len(failures) - 5 <= repaired <= len(failures)


def test_visits_that_found_no_fault_have_no_component_part_or_failure(fleet: Lives, orders: pd.DataFrame) -> None:
    fruitless = orders[orders["outcome"] == "no_fault_found"]
    assert len(fruitless) > 10
    assert (fruitless["kind"] == "corrective").all()
    assert fruitless["component"].isna().all()
    assert not fruitless["work_order_id"].isin(frame(fleet, "parts_used")["work_order_id"]).any()


def test_nuisance_codes_lead_to_visits_without_a_fault() -> None:
    shares = (0.0, 1.0)
    found = [
        sum(
            row.get("outcome") == "no_fault_found" for _, _, service in lives(config) for row in service.rows["repairs"]
        )
        for config in (FleetConfig(no_fault_rate=0.0, nuisance_visit_share=share) for share in shares)
    ]
    assert found[0] == 0
    assert found[1] > 100


def test_treated_cases_get_a_visit_and_held_out_ones_none(fleet: Lives, orders: pd.DataFrame) -> None:
    actions = frame(fleet, "actions")
    kinds = pd.concat([pd.Series(path.events[:, 0]) for _, path, _ in fleet])
    visits = orders[orders["kind"] == "proactive"]["work_order_id"].nunique()
    assert (actions["arm"] == "treated").sum() == visits == (kinds == TREATED).sum() > 0
    assert (actions["arm"] == "holdout").sum() == (kinds == HOLDOUT).sum() > 0


def test_renewals_before_the_start_are_on_record(fleet: Lives, orders: pd.DataFrame) -> None:
    before = orders[(orders["available_at"] <= START) & orders["closed_at"].notna()]
    expected = sum(int((d.renewed > d.install)[d.renewed < 0].sum()) for d, _, _ in fleet)
    assert len(before) == pytest.approx(expected, abs=3)
    assert set(before["component"]) == set(COMPONENTS)
    assert (before["kind"] == "preventive").all()


def test_worn_components_send_their_code_more_often(fleet: Lives) -> None:
    faults = frame(fleet, "faults")
    per_day = {True: [0, 0], False: [0, 0]}
    for device, path, _ in fleet:
        codes = faults[(faults["device_id"] == device.name) & (faults["code"] == "E-PUMP")]
        days = ((codes["event_time"] - START) // DAY_US).to_numpy()
        for worn in (True, False):
            per_day[worn][0] += int(((path.wear[days, 0] > 1.3) == worn).sum())
            per_day[worn][1] += int(((path.wear[device.first_day : device.retire, 0] > 1.3) == worn).sum())
    rates = {worn: count / days for worn, (count, days) in per_day.items()}
    assert rates[True] > 10 * rates[False]


def test_a_retired_device_produces_nothing_afterwards() -> None:
    config = replace(FleetConfig(), retired_share=1.0, nuisance_rate=0.5, nuisance_visit_share=1.0)
    retired = [life for life in lives(config) if life[0].retire < DAYS]
    assert len(retired) > 100
    for device, path, service in retired:
        gone = START + device.retire * DAY_US
        for table, clock in (("failures", "event_time"), ("faults", "event_time"), ("repairs", "opened_at")):
            assert all(row[clock] < gone for row in service.rows[table]), table
        assert all(row.get("closed_at", 0) <= gone for row in service.rows["repairs"])
        assert all(row["decided_at"] < gone for row in service.rows["actions"])
        assert pd.isna(path.hazard[device.retire :]).all()
