"""Vacuum: remove what is past its time or taken back, and what is known of a device or customer to be forgotten."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aftercast.data.store import Expiry, Vacuumed, vacuum_store
from aftercast.data.store.quarantine import QUARANTINE
from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.models.kinds import every_kind
from aftercast.models.scoring.snapshot import snapshot_path
from aftercast.models.scoring.snapshot_file import load_snapshot, save_snapshot
from aftercast.operations.database.retention import forget_entity, remove_old, shrink
from aftercast.operations.errors import ModelMismatchError, NotEnoughDataError, NotFoundError
from aftercast.pipelines.online import online_lock
from aftercast.pipelines.pending_renewals import load_to_renew, save_to_renew
from aftercast.pipelines.runs import one_at_a_time


def run_vacuum(
    workspace: Workspace, *, dry_run: bool = False, now: pd.Timestamp | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Remove what ``keep`` in fleet.toml and ``retention`` in aftercast.toml say, withdrawn facts and unread files.

    Parameters
    ----------
    dry_run
        Only say what would be removed.
    now
        Instant from which ages count (UTC), the clock's by default.

    Returns
    -------
    dict
        ``tables`` (name -> rows, rewritten, files), ``database`` (what -> how much), ``dry_run``.

    Raises
    ------
    StoreError
        If an import holds the store for ten minutes.
    """
    del progress
    moment = pd.Timestamp.now("UTC").as_unit("us") if now is None else now
    keep = workspace.fleet.kept()
    quarantine = workspace.settings.retention.span("quarantine")
    if quarantine is not None:
        keep[QUARANTINE.name] = quarantine
    with one_at_a_time(workspace, "vacuum"):
        database = remove_old(workspace.database, workspace.settings.retention, moment, dry_run=dry_run)
        tables = vacuum_store(workspace.store, Expiry(moment, keep), dry_run=dry_run)
        if not dry_run:
            shrink(workspace.database)
    return {"tables": _told(tables), "database": database, "dry_run": dry_run}


def run_forget(workspace: Workspace, entity_id: str) -> dict[str, Any]:
    """Remove everything stored of a device or customer from every table, list, forecast and report.

    Returns
    -------
    dict
        ``tables`` as :func:`run_vacuum`, ``database`` (rows that named it), ``online`` (rows of the service).

    Raises
    ------
    NotFoundError
        If nothing is stored under the id.
    StoreError
        If an import holds the store for ten minutes.
    """
    if not entity_id.strip():
        raise NotFoundError("The id is empty.", "Name a device or customer.")
    moment = pd.Timestamp.now("UTC").as_unit("us")
    with one_at_a_time(workspace, "drain"), one_at_a_time(workspace, "vacuum"):
        tables = vacuum_store(workspace.store, Expiry(moment, entity_id=entity_id))
        database = forget_entity(workspace.database, entity_id)
        online = _forget_online(workspace, entity_id)
        shrink(workspace.database)
    if database + online + sum(each.rows for each in tables.values()) == 0:
        raise NotFoundError(f"Nothing is stored of '{entity_id}'.", "Check the id; `aftercast show ID` shows it.")
    workspace.audit.append("entity.forgotten", {"tables": sorted(tables), "rows": database + online})
    return {"tables": _told(tables), "database": database, "online": online}


def _told(tables: dict[str, Vacuumed]) -> dict[str, dict[str, Any]]:
    return {name: asdict(found) for name, found in tables.items()}


def _forget_online(workspace: Workspace, entity_id: str) -> int:
    """Take an id out of the rows that the service answers from; those of a customer's devices come back when scored."""
    count = 0
    with online_lock(workspace):
        for kind in every_kind():
            path = snapshot_path(workspace.folder, kind.name)
            try:
                rows = load_snapshot(path)
            except (NotEnoughDataError, ModelMismatchError):
                path.unlink(missing_ok=True)  # none, or of another release, which the service does not read either
                continue
            named = (rows.ids == entity_id) | (rows.customer_id == entity_id)
            if named.any():
                save_snapshot(rows.take(np.flatnonzero(~named)), path)
                count += int(named.sum())
        _forget_pending(workspace, entity_id)
        for left in Path(workspace.folder, "online").glob(".*"):  # of a writer that was killed
            left.unlink(missing_ok=True)
    return count


def _forget_pending(workspace: Workspace, entity_id: str) -> None:
    waiting = load_to_renew(workspace)
    for ids in (waiting.devices, waiting.served, waiting.customers):
        if entity_id in ids:
            ids.discard(entity_id)
            save_to_renew(workspace, waiting)
