"""Components and fault codes that the fleet spec does not list are told, with what to add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aftercast.data.fleet import Component, FaultCode, FleetSpec
from aftercast.data.ingest import Batch, ImportReport, find_unlisted, ingest
from aftercast.data.store import Store

MakeBatch = Callable[..., Batch]
SPEC = FleetSpec(name="test", components=(Component(name="pump"),), fault_codes=(FaultCode(code="E1"),))
OF_REPAIRS = SPEC.model_copy(update={"failures_from": "repairs"})


@pytest.fixture
def told(store: Store, batch: MakeBatch, device: Callable[..., dict[str, Any]]) -> Callable[..., ImportReport]:
    """Return a function that imports a device and further batches, and gives the report."""

    def run(*more: Batch, spec: FleetSpec = SPEC) -> ImportReport:
        return ingest(store, [batch("devices", device()), *more], spec, origin="test")

    return run


def failure(component: str, day: int) -> dict[str, str]:
    return {"device_id": "d1", "event_time": f"2024-02-{day:02d}T00:00:00Z", "component": component}


def fault(code: str, day: int) -> dict[str, str]:
    return {"device_id": "d1", "event_time": f"2024-02-{day:02d}T00:00:00Z", "code": code}


def order(number: int, component: str | None, **more: str) -> dict[str, str | None]:
    row = {"work_order_id": f"w{number}", "device_id": "d1", "opened_at": f"2024-02-{number:02d}T00:00:00Z"}
    return {**row, "kind": "corrective", "component": component, **more}


def test_failures_of_unlisted_components_are_counted_over_all_batches_with_what_to_add(
    told: Callable[..., ImportReport], batch: MakeBatch
) -> None:
    report = told(
        batch("failures", failure("pump", 1), failure("belt", 2)),
        batch("failures", failure("belt", 3), failure("fan", 4)),
    )
    (notice,) = report.notices
    assert "'belt' (2 rows), 'fan' (1 row)" in notice
    assert "pump" not in notice
    assert '[[components]] with name = "belt"' in notice
    assert report.tables["failures"].kept == 4


def test_unlisted_fault_codes_are_told_as_counting_with_all_the_others(
    told: Callable[..., ImportReport], batch: MakeBatch
) -> None:
    (notice,) = told(batch("faults", fault("E1", 1), fault("E7", 2))).notices
    assert "'E7' (1 row)" in notice
    assert '[[fault_codes]] with code = "E7"' in notice


def test_what_is_listed_gives_no_notice(told: Callable[..., ImportReport], batch: MakeBatch) -> None:
    assert told(batch("failures", failure("pump", 1)), batch("faults", fault("E1", 1))).notices == []


def test_repairs_are_told_only_where_they_are_failures(told: Callable[..., ImportReport], batch: MakeBatch) -> None:
    rows = [
        order(1, "belt"),
        order(2, "fan", outcome="no_fault_found"),
        order(3, "door", kind="inspection"),
        order(4, None),
    ]
    notice, unnamed = sorted(told(batch("repairs", *rows), spec=OF_REPAIRS).notices, reverse=True)
    assert "'belt' (1 row)" in notice
    assert "'unknown' (1 row)" in notice
    assert unnamed.startswith("1 of 3 corrective work orders name no component")
    assert not any(word in notice for word in ("fan", "door", "None"))
    assert told(batch("repairs", *rows), spec=SPEC).notices == []


def test_failures_that_the_spec_does_not_ask_for_are_told(told: Callable[..., ImportReport], batch: MakeBatch) -> None:
    (notice,) = told(batch("failures", failure("pump", 1)), spec=OF_REPAIRS).notices
    assert 'failures_from = "failures"' in notice


def test_the_store_tells_what_it_holds_unlisted(
    told: Callable[..., ImportReport], batch: MakeBatch, store: Store
) -> None:
    told(batch("failures", failure("belt", 1), failure("belt", 2), failure("pump", 3)), batch("faults", fault("E7", 2)))
    assert find_unlisted(store, SPEC) == {"failures": {"belt": 2}, "faults": {"E7": 1}}
    wider = SPEC.model_copy(update={"components": (*SPEC.components, Component(name="belt")), "fault_codes": ()})
    assert find_unlisted(store, wider) == {"faults": {"E7": 1}}


def test_of_a_corrected_work_order_the_store_tells_its_last_component(
    told: Callable[..., ImportReport], batch: MakeBatch, store: Store
) -> None:
    later = {"available_at": "2024-02-09T00:00:00Z"}
    told(batch("repairs", order(1, "belt", available_at="2024-02-02T00:00:00Z"), order(1, "pump", **later)))
    assert find_unlisted(store, OF_REPAIRS) == {}


def test_many_names_are_shortened_most_frequent_first(told: Callable[..., ImportReport], batch: MakeBatch) -> None:
    rows = [fault(f"X{number}", number) for number in range(1, 12)]
    (notice,) = told(batch("faults", *rows, fault("X9", 20))).notices
    assert "11 fault codes" in notice
    assert "'X9' (2 rows)" in notice
    assert notice.count(" row)") == 7
