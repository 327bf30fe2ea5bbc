"""Rows made of what a caller sends along are those of the batch, to the bit."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aftercast.data.store import Store
from aftercast.data.workspace import Workspace
from aftercast.features.history import DEVICE_TABLES
from aftercast.models.scoring.snapshot import Snapshot, snapshot_path, take_snapshot
from aftercast.models.scoring.snapshot_file import load_snapshot
from aftercast.models.scoring.what_if import rows_of_devices

DAY = pd.Timedelta(days=1)


class Behind(Store):
    """The same store with what became known of some devices after an instant still missing."""

    def __init__(self, whole: Store, devices: Collection[str], until: pd.Timestamp) -> None:
        super().__init__(whole.address, whole.database, whole.device_buckets)
        self.devices, self.until = devices, until

    def read(self, table: str, **wanted: Any) -> pd.DataFrame:
        rows = super().read(table, **wanted)
        if "device_id" not in rows.columns or "available_at" not in rows.columns:
            return rows
        late = rows["device_id"].isin(list(self.devices)) & (rows["available_at"] > self.until)
        return rows[~late].reset_index(drop=True)


@pytest.fixture(scope="module")
def fleet(fleet_workspace: Workspace) -> Snapshot:
    """Rows of the last scoring."""
    return load_snapshot(snapshot_path(fleet_workspace.folder, "failure"))


def _sent(workspace: Workspace, devices: Collection[str], since: pd.Timestamp) -> dict[str, pd.DataFrame]:
    found = {}
    for table in DEVICE_TABLES:
        rows = workspace.store.read(table, device_ids=list(devices))
        found[table] = rows[rows["available_at"] > since].reset_index(drop=True)
    return found


def _same(row: Snapshot, batch: Snapshot) -> None:
    assert list(row.ids) == list(batch.ids)
    for name in batch.features.columns:
        left, right = (np.asarray(each.features[name].astype(object)) for each in (row, batch))
        assert pd.Series(left).equals(pd.Series(right)), name
    assert (row.evidence == batch.evidence).all()
    assert (row.data_as_of == batch.data_as_of).all()
    assert list(row.outlets) == list(batch.outlets)
    assert list(row.customer_id) == list(batch.customer_id)


@pytest.mark.parametrize("behind_days", [3, 30, 10_000])
def test_records_sent_along_make_the_row_of_the_batch_to_the_bit(
    fleet_workspace: Workspace, fleet: Snapshot, behind_days: int
) -> None:
    """At 10,000 days nothing of the devices is stored: everything comes along."""
    devices = [str(each) for each in fleet.ids[:6]]
    since = fleet.cutoff - behind_days * DAY
    behind = Behind(fleet_workspace.store, devices, since)
    sent = _sent(fleet_workspace, devices, since)
    row = rows_of_devices(behind, fleet_workspace.fleet, fleet, devices, fleet.cutoff, sent=sent)
    _same(row, fleet.of(devices))


def test_records_missing_from_the_call_are_missing_in_the_row(fleet_workspace: Workspace, fleet: Snapshot) -> None:
    devices = [str(each) for each in fleet.ids[:6]]
    since = fleet.cutoff - 3 * DAY
    row = rows_of_devices(
        Behind(fleet_workspace.store, devices, since), fleet_workspace.fleet, fleet, devices, fleet.cutoff
    )
    with pytest.raises(AssertionError):
        _same(row, fleet.of(devices))


def test_records_sent_again_count_once(fleet_workspace: Workspace, fleet: Snapshot) -> None:
    devices = [str(each) for each in fleet.ids[:4]]
    sent = _sent(fleet_workspace, devices, fleet.cutoff - 30 * DAY)
    row = rows_of_devices(fleet_workspace.store, fleet_workspace.fleet, fleet, devices, fleet.cutoff, sent=sent)
    _same(row, fleet.of(devices))


def test_nothing_known_after_the_cutoff_is_read(fleet_workspace: Workspace, fleet: Snapshot) -> None:
    devices, before = [str(each) for each in fleet.ids[:6]], fleet.cutoff - 5 * DAY
    then = take_snapshot(fleet_workspace.store, fleet_workspace.fleet, "failure", before)
    sent = _sent(fleet_workspace, devices, before - DAY)
    row = rows_of_devices(fleet_workspace.store, fleet_workspace.fleet, then, devices, before, sent=sent)
    _same(row, then.of(devices))


def test_a_device_without_facts_or_retired_has_no_row(fleet_workspace: Workspace, fleet: Snapshot) -> None:
    devices = fleet_workspace.store.read("devices", known_at=fleet.cutoff).drop_duplicates("device_id", keep="last")
    retired = str(devices.loc[devices["retired_at"] <= fleet.cutoff, "device_id"].iloc[0])
    row = rows_of_devices(fleet_workspace.store, fleet_workspace.fleet, fleet, [retired, "nobody"], fleet.cutoff)
    assert len(row.ids) == 0


def test_cells_of_one_instant_sent_apart_make_the_row_of_the_whole_in_any_order(
    fleet_workspace: Workspace, fleet: Snapshot
) -> None:
    devices, since = [str(each) for each in fleet.ids[:3]], fleet.cutoff - 3 * DAY
    sent = _sent(fleet_workspace, devices, since)
    sensors = list(fleet_workspace.fleet.sensor_names)
    whole = sent["telemetry"]
    parts = [whole.assign(**dict.fromkeys(left_out, np.nan)) for left_out in (sensors[:2], sensors[2:])]
    behind = Behind(fleet_workspace.store, devices, since)
    for ordered in (parts, parts[::-1]):
        apart = {**sent, "telemetry": pd.concat(ordered, ignore_index=True)}
        row = rows_of_devices(behind, fleet_workspace.fleet, fleet, devices, fleet.cutoff, sent=apart)
        _same(row, fleet.of(devices))


def test_facts_sent_stand_before_stored_ones_of_the_same_instant(fleet_workspace: Workspace, fleet: Snapshot) -> None:
    device_id = str(fleet.ids[0])
    facts = fleet_workspace.store.read("devices", device_ids=[device_id], known_at=fleet.cutoff).iloc[[-1]]
    sent = {"devices": facts.assign(device_model="another")}
    row = rows_of_devices(fleet_workspace.store, fleet_workspace.fleet, fleet, [device_id], fleet.cutoff, sent=sent)
    assert list(row.device_model) == ["another"]


def test_renewed_rows_take_the_place_of_the_older_ones(fleet_workspace: Workspace, fleet: Snapshot) -> None:
    before = take_snapshot(fleet_workspace.store, fleet_workspace.fleet, "failure", fleet.cutoff - 5 * DAY)
    everyone = [str(each) for each in fleet.ids]
    row = rows_of_devices(fleet_workspace.store, fleet_workspace.fleet, before, everyone, fleet.cutoff)
    renewed = before.renewed_by(row)
    assert set(renewed.ids) == set(before.ids) | set(fleet.ids)
    _same(renewed.of(everyone), fleet)
    assert (renewed.of(everyone).cutoff_us == fleet.cutoff_us).all()
