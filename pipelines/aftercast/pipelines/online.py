"""Online rows: the feature rows that the service answers from, renewed for those of whom something was sent."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import numpy as np
import pandas as pd
from filelock import FileLock

from aftercast.data.errors import ModelMismatchError, NotEnoughDataError
from aftercast.data.records.scores import Kind
from aftercast.data.workspace import Workspace
from aftercast.models.live import live_rows
from aftercast.models.registry import champion_version, load_champion
from aftercast.models.scoring import with_judgement
from aftercast.models.snapshot import Snapshot, snapshot_path, take_snapshot
from aftercast.models.snapshot_file import load_snapshot, save_snapshot

PATIENCE_S = 600.0


def keep_online(workspace: Workspace, snapshot: Snapshot) -> None:
    """Give the service the rows of a scoring, unless it has those of a later one."""
    with online_lock(workspace):
        there = _saved(workspace, snapshot.kind)
        if there is None or (snapshot.cutoff, snapshot.data_version) >= (there.cutoff, there.data_version):
            save_snapshot(snapshot, snapshot_path(workspace.folder, snapshot.kind))


def renew_devices(workspace: Workspace, device_ids: Collection[str]) -> int:
    """Renew the online rows of devices to the end of the data, and say how many were renewed.

    The rows are made by the views of scoring from everything stored by now. Their cohort columns compare with the rows
    the other devices have; the next scoring puts all on one cutoff again. A device no longer in the field loses its
    row. Where nothing was scored yet there is nothing to renew.
    """

    def make(fleet: Snapshot, cutoff: pd.Timestamp) -> Snapshot:
        return live_rows(workspace.store, workspace.fleet, fleet, sorted(device_ids), cutoff)

    return _renew(workspace, "failure", device_ids, make)


def renew_customers(workspace: Workspace, customer_ids: Collection[str]) -> int:
    """Renew the online rows of customers as :func:`renew_devices` those of devices.

    Their features compare with nobody, and read no telemetry: the rows are those of a scoring to the last bit.
    """

    def make(_rows: Snapshot, cutoff: pd.Timestamp) -> Snapshot:
        return take_snapshot(workspace.store, workspace.fleet, "churn", cutoff).of(customer_ids)

    return _renew(workspace, "churn", customer_ids, make)


def owners_of(workspace: Workspace, device_ids: Collection[str]) -> set[str]:
    """Customers who own one of the devices, or owned it before."""
    rows = workspace.store.read("devices", columns=["device_id", "customer_id"], device_ids=sorted(device_ids))
    return set(rows["customer_id"].dropna())


def _renew(
    workspace: Workspace, kind: Kind, ids: Collection[str], make: Callable[[Snapshot, pd.Timestamp], Snapshot]
) -> int:
    with online_lock(workspace):
        there, until = _saved(workspace, kind), workspace.store.observed_until()
        if there is None or until is None or champion_version(workspace, kind) is None:
            return 0
        try:
            rows = make(there, max(until, there.cutoff))
            judged = with_judgement(replace(rows, shifts=there.shifts), load_champion(workspace, kind))
        except (ModelMismatchError, NotEnoughDataError):  # other features, or nobody left: a scoring tells
            return 0
        others = there.take(np.flatnonzero(~np.isin(there.ids, list(ids))))
        save_snapshot(others.renewed_by(judged), snapshot_path(workspace.folder, kind))
        return len(rows.ids)


def _saved(workspace: Workspace, kind: Kind) -> Snapshot | None:
    """Rows that the service has now; None where there are none of this version of aftercast."""
    try:
        return load_snapshot(snapshot_path(workspace.folder, kind))
    except (NotEnoughDataError, ModelMismatchError):
        return None


def online_lock(workspace: Workspace) -> FileLock:
    """Lock of whoever replaces the online rows."""
    folder = workspace.path("locks")
    folder.mkdir(exist_ok=True)
    return FileLock(folder / "online.lock", timeout=PATIENCE_S)
