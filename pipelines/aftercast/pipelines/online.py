"""Online rows: the feature rows that the service answers from, renewed for devices that sent something."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from filelock import FileLock

from aftercast.data.errors import ModelMismatchError, NotEnoughDataError
from aftercast.data.records.scores import Kind
from aftercast.data.workspace import Workspace
from aftercast.models.live import live_rows
from aftercast.models.registry import champion_version, load_champion
from aftercast.models.scoring import with_judgement
from aftercast.models.snapshot import Snapshot, snapshot_path
from aftercast.models.snapshot_file import load_snapshot, save_snapshot

PATIENCE_S = 600.0


def keep_online(workspace: Workspace, snapshot: Snapshot) -> None:
    """Give the service the rows of a scoring, unless it has those of a later one."""
    with online_lock(workspace):
        there = _saved(workspace, snapshot.kind)
        if there is None or (snapshot.cutoff, snapshot.data_version) >= (there.cutoff, there.data_version):
            save_snapshot(snapshot, snapshot_path(workspace.folder, snapshot.kind))


def renew_online(workspace: Workspace, device_ids: Collection[str]) -> int:
    """Renew the online rows of devices to the end of the data, and say how many were renewed.

    The rows are made by the views of scoring from everything stored by now. Their cohort columns compare with the rows
    the other devices have; the next scoring puts all on one cutoff again. A device no longer in the field loses its
    row. Where nothing was scored yet there is nothing to renew.
    """
    with online_lock(workspace):
        fleet = _saved(workspace, "failure")
        until = workspace.store.observed_until()
        if fleet is None or until is None or champion_version(workspace, "failure") is None:
            return 0
        rows = live_rows(workspace.store, workspace.fleet, fleet, sorted(device_ids), max(until, fleet.cutoff))
        try:
            judged = with_judgement(rows, load_champion(workspace, "failure"))
        except ModelMismatchError:  # the champion reads other features; it needs a scoring, which says so
            return 0
        others = fleet.take(np.flatnonzero(~np.isin(fleet.ids, list(device_ids))))
        save_snapshot(others.renewed_by(judged), snapshot_path(workspace.folder, "failure"))
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
