"""Online rows: the feature rows that the service answers from, renewed for those of whom something was sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd
from filelock import FileLock

from aftercast.data.workspace import Workspace
from aftercast.models.kinds import hazard_kind
from aftercast.models.registry.versions import champion_version, load_champion
from aftercast.models.scoring.fleet import with_judgement
from aftercast.models.scoring.snapshot import Snapshot, snapshot_path, take_snapshot
from aftercast.models.scoring.snapshot_file import load_snapshot, save_snapshot
from aftercast.models.scoring.what_if import rows_of_devices
from aftercast.operations.clocks import from_us, timestamp_us
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError

PATIENCE_S = 600.0


def keep_online(workspace: Workspace, snapshot: Snapshot) -> None:
    """Give the service the rows of a scoring, unless it has those of a later one.

    Rows that were renewed to a later cutoff than the scoring's are made anew beside it, at the latest cutoff any of
    them had: a scoring of midnight does not take back what was sent since. Nor does it bring back a row of which the
    device retired, or the customer left, since then.
    """
    with online_lock(workspace):
        there = _saved(workspace, snapshot.kind)
        if there is None:
            save_snapshot(snapshot, snapshot_path(workspace.folder, snapshot.kind))
        elif (snapshot.cutoff, snapshot.data_version) >= (there.cutoff, there.data_version):
            kept = _with_renewed(workspace, snapshot, there)
            save_snapshot(kept, snapshot_path(workspace.folder, snapshot.kind))


def renew(workspace: Workspace, kind: str, ids: Collection[str], known_at: pd.Timestamp) -> int:
    """Renew the online rows of devices or customers, and say how many were renewed.

    The rows are made by the views of scoring from everything stored by now; those of customers are those of a scoring
    to the last bit, the cohort columns of devices compare with the rows the other devices have. A scoring whose cutoff
    comes up to theirs puts all on one cutoff again. A device no longer in the field loses its row. Where nothing was
    scored yet there is nothing to renew.

    Parameters
    ----------
    known_at
        When the newest fact about them became known; the cutoff is this, or the end of the data where that is later.
    """
    with online_lock(workspace):
        there, until = _saved(workspace, kind), workspace.store.observed_until()
        if there is None or until is None or champion_version(workspace, kind) is None:
            return 0
        rows = _rows(workspace, there, ids, max(until, there.cutoff, known_at))
        if rows is None:
            return 0
        others = there.take(np.flatnonzero(~np.isin(there.ids, list(ids))))
        save_snapshot(others.renewed_by(rows), snapshot_path(workspace.folder, kind))
        return len(rows.ids)


def owners_of(workspace: Workspace, device_ids: Collection[str]) -> set[str]:
    """Customers who own one of the devices, or owned it before."""
    rows = workspace.store.read("devices", columns=["device_id", "customer_id"], device_ids=sorted(device_ids))
    return set(rows["customer_id"].dropna())


def _with_renewed(workspace: Workspace, snapshot: Snapshot, there: Snapshot) -> Snapshot:
    """Rows of a scoring, with those that had a later cutoff made anew and without those that ended since."""
    last = max(there.cutoff_us, default=0)
    if last <= timestamp_us(snapshot.cutoff):
        return snapshot
    later = there.ids[there.cutoff_us > timestamp_us(snapshot.cutoff)]
    without_row = np.setdiff1d(snapshot.ids, there.ids)
    moment = from_us(np.array([last]))[0]
    rows = _rows(workspace, snapshot, [*later, *without_row], moment)
    if rows is None:
        return snapshot
    ended = np.setdiff1d([*later, *without_row], rows.ids)
    lasting = snapshot.take(np.flatnonzero(~np.isin(snapshot.ids, ended)))
    return lasting.renewed_by(rows.of(later))


def _rows(workspace: Workspace, fleet: Snapshot, ids: Collection[str], cutoff: pd.Timestamp) -> Snapshot | None:
    """Rows of some at a cutoff, judged by the champion; None where a scoring has to tell what is wrong."""
    store, spec = workspace.store, workspace.fleet
    try:
        if hazard_kind(fleet.kind).grain == "device_id":
            rows = rows_of_devices(store, spec, fleet, sorted(ids), cutoff)
        else:
            rows = take_snapshot(store, spec, fleet.kind, cutoff).of(ids)
        return with_judgement(replace(rows, shifts=fleet.shifts), load_champion(workspace, fleet.kind))
    except (ModelMismatchError, NotEnoughDataError):  # other features, or nobody left
        return None


def _saved(workspace: Workspace, kind: str) -> Snapshot | None:
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
