"""Records that come in: telemetry, events, master data."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request
from pydantic import WrapValidator

from aftercast.operations.database.inbox import REFUSED, InboxBatch
from aftercast.serving.deps import MAY_INGEST, CallerDep, ServiceDep
from aftercast.serving.errors import request_id_of
from aftercast.serving.intake import find_taken, take_records
from aftercast.serving.problems import IDEMPOTENCY_KEY_REUSED, NOTHING_READABLE
from aftercast.serving.refusals import WITH_BODY, refusals
from aftercast.serving.wire.common import few_errors
from aftercast.serving.wire.records import BatchState, RecordsAnswer, RecordsRequest

Body = Annotated[RecordsRequest, WrapValidator(few_errors)]
router = APIRouter(tags=["records"], dependencies=[MAY_INGEST])

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="A key of your choice. Repeating the request with the same key adds nothing.",
    ),
]
BatchId = Annotated[str, Path(min_length=1, max_length=64, examples=["7c1d0b52e8f34a06b2b7d8d7c4f1c2aa"])]


@router.post(
    "/v1/records",
    status_code=202,
    summary="Send records to be stored",
    responses=refusals(*WITH_BODY, examples=(IDEMPOTENCY_KEY_REUSED, NOTHING_READABLE)),
)
def records(
    request: Request,
    service: ServiceDep,
    caller: CallerDep,
    body: Body,
    idempotency_key: IdempotencyKey = None,
) -> RecordsAnswer:
    """Take records of one table. No crash loses them from here on, and the next `aftercast drain` stores them."""
    taken = take_records(
        service.workspace,
        body.table,
        body.records,
        caller,
        idempotency_key=idempotency_key,
        request_id=request_id_of(request),
    )
    return RecordsAnswer.model_validate({**_batch(taken.batch), "repeated": taken.repeated})


@router.get("/v1/records/{batch_id}", summary="What became of these records?", responses=refusals(404, 422))
def batch_state(service: ServiceDep, caller: CallerDep, batch_id: BatchId) -> BatchState:
    """Return the state of a batch that the same caller sent."""
    batch = find_taken(service.workspace, batch_id, caller)
    stored = "refused" if batch.import_id == REFUSED else "stored"
    state = "waiting" if batch.drained_at is None else stored
    return BatchState.model_validate({**_batch(batch), "state": state, "drained_at": batch.drained_at})


def _batch(batch: InboxBatch) -> dict[str, Any]:
    return {
        "batch_id": batch.batch_id,
        "table": batch.table,
        "received_at": batch.received_at,
        "received": len(batch.records),
        "wrong": list(batch.wrong),
    }
