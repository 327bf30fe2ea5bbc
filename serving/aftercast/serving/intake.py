"""Records that come in over HTTP: checked on arrival, committed to the inbox, stored by the next drain."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
import pandas as pd
from sqlalchemy.exc import SQLAlchemyError

from aftercast.data.contract import TABLES
from aftercast.data.ingest import UNREADABLE, WITHDRAWAL_COLUMNS, Refused, as_stored, check_records, typed_columns
from aftercast.data.workspace import Workspace
from aftercast.operations.clocks import AHEAD
from aftercast.operations.database.inbox import InboxBatch, find_batch, put_batch
from aftercast.operations.errors import NotFoundError
from aftercast.serving.principals import Caller
from aftercast.serving.problems import (
    IDEMPOTENCY_KEY_REUSED,
    NOTHING_READABLE,
    OUTLETS_CANNOT_SEND,
    RECORDS_NOT_TAKEN,
    TOO_MANY,
)

RECORDS: Final = "records"
"""Event of records that came in, in the audit log."""
NOT_YET: Final = "available_in_future"
NO_COLUMN: Final = "unknown_column"
OWNED_BY: Final = {"device_id": "devices", "customer_id": "customers"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Taken:
    """A batch in the inbox, and whether an earlier request had brought it."""

    batch: InboxBatch
    repeated: bool


def take_records(
    workspace: Workspace,
    table: str,
    records: Sequence[Row],
    caller: Caller,
    *,
    idempotency_key: str | None = None,
    request_id: str | None = None,
) -> Taken:
    """Put records into the inbox; once this returns, no crash loses them.

    The audit log has the batch before the inbox has it. An entry of a batch that was then not taken is harmless; a
    batch without an entry would not be.

    Parameters
    ----------
    idempotency_key
        Of the caller's own choice. The same request under the same key adds nothing and gets the first result.

    Raises
    ------
    ProblemError
        403 for a caller limited to outlets, 422 for too many records, 409 for none that can be taken or for a key used
        with another request, 503 while the database is unavailable: then nothing was taken.
    AuditError
        If the batch cannot be recorded: then nothing was taken.
    """
    if caller.outlets is not None:
        raise OUTLETS_CANNOT_SEND.error()
    if len(records) > (most := workspace.settings.serving.max_records):
        raise TOO_MANY.error(noun="record", count=len(records), most=most, hint="Split the request.")
    request = hashlib.sha256(orjson.dumps([table, records], option=orjson.OPT_SORT_KEYS)).hexdigest()
    batch_id = _batch_id(caller, idempotency_key)
    try:
        there = None if idempotency_key is None else find_batch(workspace.database, batch_id)
        if there is None:
            batch = _checked(workspace, table, records, batch_id, caller, request_id=request_id, request=request)
            workspace.audit.append(RECORDS, _entry(batch))
            if put_batch(workspace.database, batch):
                return Taken(batch, repeated=False)
            there = find_batch(workspace.database, batch_id)  # the same request came twice at once
    except SQLAlchemyError as error:
        raise RECORDS_NOT_TAKEN.error() from error
    if there is None or there.request_sha256 != request:
        raise IDEMPOTENCY_KEY_REUSED.error()
    return Taken(there, repeated=True)


def find_taken(workspace: Workspace, batch_id: str, caller: Caller) -> InboxBatch:
    """Batch that the caller sent; raises NotFoundError where there is none, or another caller sent it."""
    batch = find_batch(workspace.database, batch_id)
    if batch is None or batch.key_id != caller.caller_id:
        raise NotFoundError("No batch has this id.", "Use the batch_id that POST /v1/records answered.")
    return batch


def _checked(
    workspace: Workspace,
    table: str,
    records: Sequence[Row],
    batch_id: str,
    caller: Caller,
    *,
    request_id: str | None,
    request: str,
) -> InboxBatch:
    """Batch of the records that can be taken, with what is wrong with them."""
    received_at = pd.Timestamp.now("UTC").as_unit("us")
    known, strange = _without_strange_columns(workspace, table, _with_stored_ids(table, records))
    dated = [_dated(row, received_at) for row in known]
    checked = check_records(table, dated, workspace.fleet, _known(workspace, table, known))
    known_at = typed_columns(table, ["available_at"], dated)["available_at"]
    early = {i for i, moment in enumerate(known_at) if moment > received_at + AHEAD}
    too_early = [Refused(table, i, NOT_YET, "available_at", cell_only=False) for i in early]
    others = [each for each in checked.refused if each.row not in early]
    wrong = sorted([*others, *too_early, *strange], key=lambda each: each.row)
    taken = tuple(row for i, row in enumerate(dated) if i not in early)
    if not taken or any(each.reason == UNREADABLE for each in wrong):
        raise NOTHING_READABLE.error()
    return InboxBatch(
        batch_id,
        table,
        taken,
        received_at,
        key_id=caller.caller_id,
        request_id=request_id,
        request_sha256=request,
        wrong=tuple(asdict(each) for each in wrong),
    )


def _entry(batch: InboxBatch) -> dict[str, Any]:
    """What the audit log keeps of a batch."""
    ids = {str(row[name]) for row in batch.records for name in OWNED_BY if row.get(name)}
    return {
        "request_id": batch.request_id,
        "key_id": batch.key_id,
        "batch_id": batch.batch_id,
        "table": batch.table,
        "rows": len(batch.records),
        "ids": sorted(ids),
    }


def _with_stored_ids(table: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows whose ids, and other text of their key, are written as the store will have them; empty ones are None.

    What is no text and no whole number stays, for the check to refuse: nobody knows as what it was meant.
    """
    contract = TABLES[table]
    out = [dict(row) for row in rows]
    for column in contract.columns:
        if column.kind == "text" and (column.name.endswith("_id") or column.name in contract.key):
            having = [row for row in out if column.name in row]
            for row, value in zip(having, as_stored([row[column.name] for row in having]), strict=True):
                row[column.name] = value
    return out


def _without_strange_columns(
    workspace: Workspace, table: str, records: Sequence[Row]
) -> tuple[list[Row], list[Refused]]:
    """Records without attributes that the fleet spec does not name or no import ever brought, and where there were any.

    An attribute is a feature. A new or misspelt column would be a feature that no model knows, and nothing could be
    scored until one is trained with it. A new attribute is imported with its history.
    """
    contract = TABLES[table]
    beside = {name for row in records for name in row if not contract.has(name)} - set(WITHDRAWAL_COLUMNS)
    if not contract.open or not beside or table not in workspace.store.tables():
        return list(records), []
    none = [""] if contract.has("device_id") else None
    stored = set(workspace.store.read(table, device_ids=none).columns)
    named = set(workspace.fleet.table(table).attributes) if table != "telemetry" else stored
    strange = beside - (stored & named)
    found = [
        Refused(table, i, NO_COLUMN, "", cell_only=True) for i, row in enumerate(records) if not strange.isdisjoint(row)
    ]
    return [{name: value for name, value in row.items() if name not in strange} for row in records], found


def _known(workspace: Workspace, table: str, records: Sequence[Row]) -> dict[str, Set[str]]:
    """Ids that may be referred to, for each id column that the table has: those of the records that exist."""
    found: dict[str, Set[str]] = {}
    for column, owner in OWNED_BY.items():
        ids = sorted({str(each) for row in records if (each := row.get(column))})
        if not TABLES[table].has(column) or table == owner:
            found[column] = set(ids)
        else:
            only: dict[str, Any] = {f"{column}s": ids}
            found[column] = set(workspace.store.read(owner, columns=[column], **only)[column])
    return found


def _dated(row: Row, received_at: pd.Timestamp) -> dict[str, Any]:
    """Record that says when it became known: as sent, else when it was received."""
    if row.get("available_at") is not None:
        return dict(row)
    return {**row, "available_at": received_at.isoformat()}


def _batch_id(caller: Caller, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{caller.caller_id}\n{idempotency_key}".encode()).hexdigest()[:32]
