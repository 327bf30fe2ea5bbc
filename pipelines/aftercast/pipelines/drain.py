"""Drain: store what the service took into its inbox, and renew the online rows of those it is about."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from aftercast.data.contract import TABLES
from aftercast.data.ingest import Batch, ingest
from aftercast.data.workspace import Workspace
from aftercast.features.examples import Grain
from aftercast.models.aliases import Progress
from aftercast.models.kinds import every_kind
from aftercast.operations.database.inbox import REFUSED, InboxBatch, mark_drained, waiting_batches
from aftercast.operations.errors import InputError
from aftercast.pipelines.online import owners_of, renew
from aftercast.pipelines.pending_renewals import forget_to_renew, load_to_renew, save_to_renew
from aftercast.pipelines.runs import one_at_a_time

LOG: Final = logging.getLogger(__name__)
ROWS_AT_ONCE: Final = 200_000
MOST_TOLD: Final = 10
ORDER: Final = {table: place for place, table in enumerate(("customers", "devices"))}


def run_drain(workspace: Workspace, progress: Progress | None = None) -> dict[str, Any]:
    """Store everything that waits, and renew the online rows it is about, with those that a drain before left.

    Several drains of a workspace take turns.

    Returns
    -------
    dict
        ``batches``, ``read``, ``kept``, ``quarantined`` (rows), ``refused`` (batches that could not be read at all) and
        ``refusals`` (of the first :data:`MOST_TOLD` of them ``batch_id``, ``table`` and ``reason``),
        ``renewed`` (devices whose online row is newer now), ``renewed_customers``, ``version`` of the store.
    """
    total = {"batches": 0, "read": 0, "kept": 0, "quarantined": 0, "refused": 0}
    refusals = _Refusals()
    with one_at_a_time(workspace, "drain"):
        about = load_to_renew(workspace)
        while batches := waiting_batches(workspace.database, ROWS_AT_ONCE):
            about.add(batches)
            save_to_renew(workspace, about)
            for name, count in _store(workspace, batches, refusals).items():
                total[name] += count
            if progress is not None:
                progress("inbox", total["read"])
        customers = about.customers | (owners_of(workspace, about.served) if about.served else set())
        renewed = _renew(workspace, "device_id", about.devices, about.known_at)
        renewed_customers = _renew(workspace, "customer_id", customers, about.known_at)
        forget_to_renew(workspace)
    found = {**total, "renewed": renewed, "renewed_customers": renewed_customers}
    return {**found, "refusals": refusals.first, "version": workspace.store.version()}


def _renew(workspace: Workspace, grain: Grain, ids: Collection[str], known_at: pd.Timestamp) -> int:
    """Renew the rows of devices or customers for every kind that keeps rows; how many were renewed for one of them."""
    kinds = [kind.name for kind in every_kind() if kind.shape == "hazard" and kind.grain == grain]
    return max((renew(workspace, kind, ids, known_at) for kind in kinds), default=0) if ids else 0


@dataclass
class _Refusals:
    """Why batches could not be read at all: the first for who prints the result, the others for the log."""

    first: list[dict[str, str]] = field(default_factory=list)

    def add(self, batch: InboxBatch, error: InputError) -> None:
        """Note a refusal."""
        if len(self.first) < MOST_TOLD:
            self.first.append({"batch_id": batch.batch_id, "table": batch.table, "reason": error.message})
        else:
            LOG.warning("batch %s of %s cannot be read: %s", batch.batch_id, batch.table, error.message)


def _store(workspace: Workspace, batches: Sequence[InboxBatch], refusals: _Refusals) -> dict[str, int]:
    """Import batches together; one that cannot be read at all does not hold up the others."""
    try:
        report = _import(workspace, batches)
    except InputError as error:
        if len(batches) == 1:
            mark_drained(workspace.database, [batches[0].batch_id], REFUSED)
            refusals.add(batches[0], error)
            return {"batches": 1, "read": len(batches[0].records), "refused": 1}
        middle = len(batches) // 2
        parts = [_store(workspace, half, refusals) for half in (batches[:middle], batches[middle:])]
        return {name: sum(part.get(name, 0) for part in parts) for name in {name for part in parts for name in part}}
    return report


def _import(workspace: Workspace, batches: Sequence[InboxBatch]) -> dict[str, int]:
    ordered = sorted(batches, key=lambda batch: ORDER.get(batch.table, len(ORDER)))
    found = ingest(workspace.store, map(as_batch, ordered), workspace.fleet, origin="inbox")
    mark_drained(workspace.database, [batch.batch_id for batch in batches], found.import_id)
    reports = found.tables.values()
    return {
        "batches": len(batches),
        "read": sum(report.read for report in reports),
        "kept": sum(report.kept for report in reports),
        "quarantined": sum(sum(report.quarantined.values()) for report in reports),
    }


def as_batch(batch: InboxBatch) -> Batch:
    """Batch of the contract; columns that no record has are missing."""
    names = list(dict.fromkeys(name for row in batch.records for name in row))
    known = [*TABLES[batch.table].required, "available_at"]
    columns = list(dict.fromkeys([*known, *names]))
    frame = pd.DataFrame(
        {name: pd.Series([row.get(name) for row in batch.records], dtype="object") for name in columns}
    )
    origin, received_at = f"inbox:{batch.batch_id}", batch.received_at
    return Batch(batch.table, frame, origin, first_row=0, one_by_one=True, received_at=received_at)
