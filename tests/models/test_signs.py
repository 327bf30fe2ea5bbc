"""Signs: fault codes before failures, counted by hand on a small fleet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from aftercast.data.fleet import Component, FaultCode, FleetSpec
from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.models.words.precursors import signs_of
from aftercast.operations.clocks import parse_time

T = parse_time("2025-03-01")
DAY = pd.Timedelta(days=1)
SPEC = FleetSpec(
    name="signs",
    components=(Component(name="pump"), Component(name="fan")),
    fault_codes=(FaultCode(code="E1", about="pressure"), FaultCode(code="E2")),
)


def facts(rows: list[tuple[str, float, str]], column: str) -> pd.DataFrame:
    """Device, days before T, and a code or component; known at once."""
    frame = pd.DataFrame(rows, columns=["device_id", "days", column])
    frame["event_time"] = T - frame.pop("days") * DAY
    return frame.assign(available_at=frame["event_time"])


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Workspace]:
    """Model M has devices a and b, model N has c and d."""
    workspace = create_workspace(tmp_path / "fleet", SPEC)
    models = {"a": "M", "b": "M", "c": "N", "d": "N"}
    installed = pd.DataFrame(
        {
            "device_id": list(models),
            "device_model": list(models.values()),
            "installed_at": T - 60 * DAY,
            "available_at": T - 60 * DAY,
        }
    )
    failures = [("a", 20.0, "pump"), ("b", 15.0, "pump"), ("c", 12.0, "pump"), ("c", 2.0, "fan")]
    faults = [
        ("a", 22.0, "E1"),
        ("a", 21.0, "E1"),
        ("a", 19.0, "E2"),  # a day after its failure
        ("b", 23.0, "E1"),  # eight days before its failure
        ("c", 13.0, "E1"),
        ("c", 12.5, "E2"),
        ("d", 28.0, "E2"),
        ("b", 1.0, "E2"),
        ("b", 0.0, "E2"),
    ]
    batches = [Batch("devices", installed, "d"), Batch("failures", facts(failures, "component"), "f")]
    ingest(workspace.store, [*batches, Batch("faults", facts(faults, "code"), "e")], SPEC, origin="test")
    yield workspace
    workspace.store.database.dispose()


def test_codes_are_counted_before_the_failures_of_the_model_and_drawn_to_the_fleet(fleet: Workspace) -> None:
    found = {sign.code: sign for sign in signs_of(fleet.store, SPEC, "pump", device_id="b", cutoff=T)}
    assert (found["E1"].before, found["E1"].failures, found["E1"].reported) == (1, 2, 0)
    assert found["E1"].share == pytest.approx((1 + 5 * 2 / 3) / (2 + 5))
    assert found["E1"].about == "pressure"
    assert (found["E2"].before, found["E2"].failures, found["E2"].reported) == (0, 2, 2)
    assert found["E2"].share == pytest.approx((0 + 5 * 1 / 3) / (2 + 5))


def test_what_is_usual_is_the_share_of_devices_and_weeks_with_the_code(fleet: Workspace) -> None:
    """Five weeks begin 28 days before T: E1 in the first two of a, the first of b, the third of c; E2 in five."""
    found = {sign.code: sign for sign in signs_of(fleet.store, SPEC, "pump", device_id="b", cutoff=T)}
    assert found["E1"].usual == pytest.approx(4 / (4 * 5))
    assert found["E2"].usual == pytest.approx(5 / (4 * 5))


def test_codes_reported_now_come_first_and_a_code_before_no_failure_not_at_all(fleet: Workspace) -> None:
    assert [sign.code for sign in signs_of(fleet.store, SPEC, "pump", device_id="b", cutoff=T)] == ["E2", "E1"]
    assert [sign.code for sign in signs_of(fleet.store, SPEC, "pump", device_id="a", cutoff=T)] == ["E1", "E2"]
    assert signs_of(fleet.store, SPEC, "fan", device_id="c", cutoff=T) == []


def test_nothing_is_read_that_was_not_known_at_the_cutoff(fleet: Workspace) -> None:
    found = signs_of(fleet.store, SPEC, "pump", device_id="b", cutoff=T - 14 * DAY)
    assert [(sign.code, sign.before, sign.failures, sign.reported) for sign in found] == [("E1", 1, 2, 0)]
    assert signs_of(fleet.store, SPEC, "pump", device_id="b", cutoff=T - 30 * DAY) == []


def test_the_sentence_says_what_is_reported_what_it_preceded_and_what_is_usual(fleet: Workspace) -> None:
    sign = signs_of(fleet.store, SPEC, "pump", device_id="b", cutoff=T)[0]
    assert sign.sentence == (
        "E2 reported 2 times in the last 7 days; it came before 0 of 2 failures of this model, and "
        "25 % of all devices report it in any week"
    )
    assert not sign.tells
