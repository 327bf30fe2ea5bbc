"""A snapshot comes back from its file with every row, judgement and fact about it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aftercast.data.workspace import Workspace
from aftercast.models.registry.versions import load_champion
from aftercast.models.scoring.fleet import judge, with_judgement
from aftercast.models.scoring.impossible_readings import impossible_inputs
from aftercast.models.scoring.snapshot import ALIGNED, Snapshot, snapshot_path, tuples
from aftercast.models.scoring.snapshot_file import load_snapshot, save_snapshot
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError


@pytest.fixture(scope="module")
def kept(fleet_workspace: Workspace) -> Snapshot:
    """Rows of the last scoring."""
    return load_snapshot(snapshot_path(fleet_workspace.folder, "failure"))


def test_rows_and_judgements_come_back_to_the_bit(kept: Snapshot, tmp_path: Path, fleet_workspace: Workspace) -> None:
    loaded = load_champion(fleet_workspace, "failure")
    odd = replace(kept, out_of_range=tuples([("a", "b")] * len(kept.ids)), judged={})
    judged = with_judgement(odd, loaded)
    save_snapshot(judged, tmp_path / "s.parquet")
    back = load_snapshot(tmp_path / "s.parquet")
    for name in ALIGNED:
        assert list(getattr(back, name)) == list(getattr(judged, name)), name
    pd.testing.assert_frame_equal(back.features, judged.features)
    ours, theirs = judged.judged[loaded.run_id], back.judged[loaded.run_id]
    for name in ("ends", "thresholds", "driver", "contribution"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    np.testing.assert_array_equal(ours.risks.probability, theirs.risks.probability)
    assert (back.parts, back.shifts, back.dictionary) == (judged.parts, judged.shifts, judged.dictionary)


def test_scores_are_the_same_with_and_without_the_kept_judgement(kept: Snapshot, fleet_workspace: Workspace) -> None:
    loaded = load_champion(fleet_workspace, "failure")
    assert loaded.run_id in kept.judged
    anew = judge(loaded, replace(kept, judged={}), fleet_workspace.fleet)
    assert judge(loaded, kept, fleet_workspace.fleet) == anew


def test_a_damaged_or_older_file_is_told_from_a_missing_one(tmp_path: Path, kept: Snapshot) -> None:
    path = tmp_path / "s.parquet"
    with pytest.raises(NotEnoughDataError, match="Nothing has been scored"):
        load_snapshot(path)
    path.write_bytes(b"half a file")
    with pytest.raises(ModelMismatchError, match="cannot be read"):
        load_snapshot(path)
    kept.features.to_parquet(path)
    with pytest.raises(ModelMismatchError, match="not a snapshot of this version"):
        load_snapshot(path)


def test_impossible_values_of_the_last_week_are_named_and_older_ones_are_not(fleet_workspace: Workspace) -> None:
    """Lying sensors are in quarantine; only what lies in the longest window before the cutoff counts."""
    store, spec = fleet_workspace.store, fleet_workspace.fleet
    found = store.quarantine()
    cells = found[(found["reason"] == "impossible_value") & (found["table"] == "telemetry")]
    records = [json.loads(text) for text in cells["record"]]
    times = pd.to_datetime([record["event_time"] for record in records], utc=True, format="mixed")
    last = int(np.argmax(times))
    device_id, sensor, at = records[last]["device_id"], cells["column"].iloc[last], times[last]

    def named(cutoff: pd.Timestamp) -> bool:
        return sensor in impossible_inputs(store, spec, np.array([device_id], dtype=object), cutoff)[0]

    longest, tick = pd.Timedelta("168h"), pd.Timedelta("1us")
    assert named(at)
    assert named(at + longest - tick)
    assert not named(at + longest)
    assert named(at - tick) == any(
        record["device_id"] == device_id and column == sensor and at - tick - longest < time < at
        for record, column, time in zip(records, cells["column"], times, strict=True)
    )
