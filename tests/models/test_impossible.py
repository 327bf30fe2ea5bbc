"""Impossible inputs: a value counts once it was known, in the longest window before the cutoff."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aftercast.data.fleet import Component, FleetSpec, Sensor
from aftercast.data.workspace import create_workspace
from aftercast.models.scoring.impossible_readings import cells_of, impossible_inputs, sensors_before
from aftercast.pipelines.ingest import run_ingest

SPEC = FleetSpec(
    name="test",
    components=(Component(name="pump"),),
    sensors=(Sensor(name="current_a", unit="A", low=0.0, high=100.0),),
)
EVENT, HOUR = pd.Timestamp("2024-06-01T00:00:00Z"), pd.Timedelta(hours=1)
DEVICES = "device_id,device_model,installed_at\nD1,m,2024-01-01T00:00:00Z\n"


@pytest.mark.parametrize(("known", "after"), [("", 0), ("2024-06-01T03:00:00Z", 3)])
def test_a_quarantined_value_counts_from_when_it_was_known(tmp_path: Path, known: str, after: int) -> None:
    """An import long after does not hide it: a record that does not say when it was known is dated by its event."""
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "devices.csv").write_text(DEVICES)
    more = ",available_at" if known else ""
    row = f"D1,{EVENT.isoformat()},999" + (f",{known}" if known else "")
    (folder / "telemetry.csv").write_text(f"device_id,event_time,current_a{more}\n{row}\n")
    workspace = create_workspace(tmp_path / "workspace", SPEC)
    run_ingest(workspace, "tables", folder)

    def named(cutoff: pd.Timestamp) -> tuple[str, ...]:
        found: tuple[str, ...] = impossible_inputs(workspace.store, SPEC, np.array(["D1"], dtype=object), cutoff)[0]
        return found

    first = EVENT + after * HOUR
    assert named(first) == ("current_a",)
    assert named(first - pd.Timedelta("1us")) == ()


def test_a_delay_of_the_fleet_holds_for_values_that_do_not_say_when_they_were_known() -> None:
    late = SPEC.model_copy(update={"available_after": "2h"})
    cells = cells_of([{"device_id": "D1", "event_time": EVENT.isoformat()}], ["current_a"], late)
    assert sensors_before(cells, late, EVENT + 2 * HOUR) == {"D1": ("current_a",)}
    assert sensors_before(cells, late, EVENT + HOUR) == {}


def test_an_end_of_its_own_lets_later_values_count() -> None:
    cells = cells_of([{"device_id": "D1", "event_time": EVENT.isoformat()}], ["current_a"], SPEC)
    assert sensors_before(cells, SPEC, EVENT - HOUR) == {}
    assert sensors_before(cells, SPEC, EVENT - HOUR, until=EVENT) == {"D1": ("current_a",)}


def test_times_that_cannot_be_read_count_nowhere() -> None:
    rows = [{"device_id": "D1", "event_time": "soon"}, {"device_id": "D1"}]
    assert sensors_before(cells_of(rows, ["a", "b"], SPEC), SPEC, EVENT) == {}
    assert sensors_before(cells_of([], [], SPEC), SPEC, EVENT) == {}
