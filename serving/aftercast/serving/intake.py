"""Taking records over HTTP: checked on arrival, committed to the inbox, stored by the next drain."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from filelock import FileLock, Timeout
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from aftercast.data.contract import TABLES
from aftercast.data.ingest import UNREADABLE, Refused, check_records, with_stored_ids
from aftercast.data.workspace import Workspace
from aftercast.operations.clocks import AHEAD
from aftercast.operations.database.inbox import InboxBatch, find_batch, put_batch
from aftercast.serving.errors import ProblemError
from aftercast.serving.principals import Caller
from aftercast.serving.tenancy import Reach

NOT_YET: Final = "available_in_future"
PATIENCE_S: Final = 10.0
NO_COLUMN: Final = "unknown_column"
OWNED_BY: Final = {"device_id": "devices", "customer_id": "customers"}


@dataclass(frozen=True)
class Taken:
    """A batch in the inbox, what is wrong with its records, and whether it had been there before."""

    batch: InboxBatch
    wrong: tuple[Refused, ...]
    repeated: bool


def take_records(
    workspace: Workspace,
    table: str,
    records: Sequence[Mapping[str, Any]],
    caller: Caller,
    *,
    idempotency_key: str | None = None,
    request_id: str | None = None,
) -> Taken:
    """Put records into the inbox; once this returns, no crash loses them.

    Parameters
    ----------
    idempotency_key
        Of the caller's own choice: the same key with the same records adds nothing.

    Raises
    ------
    ProblemError
        422 for too many records, 409 for none that can be taken or for a key used with other records, 503 while the
        database is away or others take too long: then nothing was taken.
    """
    _check_size(workspace, records)
    with _turn(workspace, caller):
        return _taken(workspace, table, records, caller, idempotency_key=idempotency_key, request_id=request_id)


@contextmanager
def _turn(workspace: Workspace, caller: Caller) -> Iterator[None]:
    """Let callers limited to outlets bring records one after the other: each sees what those before it brought."""
    if caller.outlets is None:
        yield
        return
    folder = workspace.path("locks")
    folder.mkdir(exist_ok=True)
    try:
        lock = FileLock(folder / "intake.lock", timeout=PATIENCE_S).acquire()
    except Timeout as error:
        detail, hint = "Records of other outlets are being taken: nothing was taken.", "Send the records again."
        raise ProblemError(503, "busy", "The service is busy", detail, hint, passes=True) from error
    with lock:
        yield


def _taken(
    workspace: Workspace,
    table: str,
    records: Sequence[Mapping[str, Any]],
    caller: Caller,
    *,
    idempotency_key: str | None,
    request_id: str | None,
) -> Taken:
    received_at = pd.Timestamp.now("UTC").as_unit("us")
    try:
        known, strange = _without_strange_columns(workspace, table, with_stored_ids(table, records))
        wrong, hidden = _wrong(workspace, table, known, caller, received_at)
        wrong = tuple(sorted([*wrong, *strange], key=lambda each: each.row))
        taken = [_dated(row, received_at) for i, row in enumerate(known) if i not in hidden]
        _check_any(taken, wrong)
        batch_id = _batch_id(caller, idempotency_key)
        batch = InboxBatch(batch_id, table, tuple(taken), received_at, caller.caller_id, request_id)
        if put_batch(workspace.database, batch):
            return Taken(batch, wrong, repeated=False)
        return Taken(_same(workspace.database, batch), wrong, repeated=True)
    except SQLAlchemyError as error:
        detail, hint = "The operational database is away: nothing was taken.", "Send the records again in a moment."
        raise ProblemError(503, "database-unavailable", "Records cannot be taken", detail, hint) from error


def _without_strange_columns(
    workspace: Workspace, table: str, records: Sequence[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], list[Refused]]:
    """Records without attributes that no import ever brought, and where there were any.

    An attribute is a feature: a column that is new, or only misspelt, would be one that no model has learnt from, and
    nothing could be scored until one has. Whoever wants it imports it with the history, and trains.
    """
    contract = TABLES[table]
    beside = {name for row in records for name in row if not contract.has(name)}
    if not contract.open or not beside or table not in workspace.store.tables():
        return list(records), []
    none = [""] if contract.has("device_id") else None
    strange = beside - set(workspace.store.read(table, device_ids=none).columns)
    found = [
        Refused(table, i, NO_COLUMN, "", cell_only=True) for i, row in enumerate(records) if not strange.isdisjoint(row)
    ]
    return [{name: value for name, value in row.items() if name not in strange} for row in records], found


def _check_size(workspace: Workspace, records: Sequence[Mapping[str, Any]]) -> None:
    most = workspace.settings.serving.max_records
    if len(records) > most:
        raise ProblemError(
            422,
            "too-many-records",
            "Too many records in one call",
            f"The request brings {len(records)} records, the service takes {most} a call.",
            "Split the request, or raise serving.max_records.",
        )


def _check_any(taken: Sequence[Mapping[str, Any]], wrong: Sequence[Refused]) -> None:
    if not taken or any(each.reason == UNREADABLE for each in wrong):
        raise ProblemError(
            409,
            "nothing-readable",
            "None of the records can be taken",
            "No record could be read, or none is about a device of the outlets of this key.",
            "Write times with their zone (2026-01-31T06:00:00Z), and the columns as the table names them.",
        )


def _wrong(
    workspace: Workspace, table: str, records: Sequence[Mapping[str, Any]], caller: Caller, received_at: pd.Timestamp
) -> tuple[tuple[Refused, ...], set[int]]:
    """What is wrong with the records, and which of them are not taken at all.

    A caller limited to outlets is told of a broken record what is broken, before anything is said that depends on whose
    it is; and of a device they do not have yet none is taken that would only go to quarantine: that would tell, too.
    """
    reach = None if caller.outlets is None else Reach.of(workspace, caller, records)
    known = _known(workspace, table, records, reach)
    dated = [_dated(row, received_at) for row in records]
    checked = check_records(table, dated, workspace.fleet, known)
    early = set(checked.row[_after(checked.frame, received_at + AHEAD)].tolist())
    refused = {each.row for each in checked.refused if not each.cell_only} | early
    hidden = {} if reach is None else reach.refused(table, records, checked)
    unseen = {} if reach is None else {i: each for i, each in hidden.items() if i not in refused}
    told = [
        *(each for each in checked.refused if each.row not in unseen),
        *(Refused(table, i, NOT_YET, "available_at", cell_only=False) for i in sorted(early)),
        *unseen.values(),
    ]
    unborn = set() if reach is None or table != "devices" else refused - reach.known(records)
    return tuple(sorted(told, key=lambda each: each.row)), hidden.keys() | early | unborn


def _after(frame: pd.DataFrame, moment: pd.Timestamp) -> npt.NDArray[np.bool_]:
    if len(frame) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(frame["available_at"] > moment)


def _known(
    workspace: Workspace, table: str, records: Sequence[Mapping[str, Any]], reach: Reach | None
) -> dict[str, Set[str]]:
    """Ids that may be referred to, for each id column that the table has: those that exist and are seen."""
    found: dict[str, Set[str]] = {}
    for column, owner in OWNED_BY.items():
        if not TABLES[table].has(column) or table == owner:
            found[column] = {str(row.get(column)) for row in records}
        elif reach is not None:
            found[column] = reach.devices if column == "device_id" else reach.customers
        else:
            stored = workspace.store.read(owner, columns=[column], **_only(column, records))
            found[column] = set(stored[column])
    return found


def _only(column: str, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if column != "device_id":
        return {}
    return {"device_ids": sorted({each for row in records if (each := row.get("device_id"))})}


def _dated(row: Mapping[str, Any], received_at: pd.Timestamp) -> dict[str, Any]:
    """Record that says when it became known: as sent, else when it was received."""
    if row.get("available_at") is not None:
        return dict(row)
    return {**row, "available_at": received_at.isoformat()}


def _batch_id(caller: Caller, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return uuid.uuid4().hex
    return hashlib.sha256(f"{caller.caller_id}\n{idempotency_key}".encode()).hexdigest()[:32]


def _same(database: Engine, batch: InboxBatch) -> InboxBatch:
    """Return the batch that was there already, if it is the same."""
    there = find_batch(database, batch.batch_id)
    if there is None or there.table != batch.table or there.digest != batch.digest:
        raise ProblemError(
            409,
            "idempotency-key-reused",
            "The idempotency key was used for other records",
            "Records sent under one Idempotency-Key must be the same every time.",
            "Use a new key for new records.",
        )
    return there
