"""Records that others bring: telemetry, events, master data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import WrapValidator

from aftercast.serving.deps import MAY_INGEST, CallerDep, ServiceDep
from aftercast.serving.errors import request_id_of
from aftercast.serving.intake import take_records
from aftercast.serving.refusals import NOTHING_READABLE, WITH_BODY, refusals
from aftercast.serving.wire.common import few_errors
from aftercast.serving.wire.records import RecordsAnswer, RecordsRequest
from aftercast.serving.wire.risk import RefusedRecord

Body = Annotated[RecordsRequest, WrapValidator(few_errors)]
router = APIRouter(tags=["records"], dependencies=[MAY_INGEST])

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1, max_length=200, description="Of your own choice; the same key with the same records adds nothing."
    ),
]


@router.post(
    "/v1/records",
    status_code=202,
    summary="Take records to be stored",
    responses=refusals(*WITH_BODY, conflict=NOTHING_READABLE),
)
def records(
    request: Request,
    service: ServiceDep,
    caller: CallerDep,
    body: Body,
    idempotency_key: IdempotencyKey = None,
) -> RecordsAnswer:
    """Take records of one table: they survive any crash from here on, and the next `aftercast drain` stores them."""
    request_id = request_id_of(request)
    taken = take_records(
        service.workspace, body.table, body.records, caller, idempotency_key=idempotency_key, request_id=request_id
    )
    batch = taken.batch
    if not taken.repeated:
        ids = sorted(
            {str(row[name]) for row in batch.records for name in ("device_id", "customer_id") if row.get(name)}
        )
        said = {"batch_id": batch.batch_id, "table": batch.table, "rows": len(batch.records), "ids": ids}
        service.audit.append("records", {"request_id": request_id, "key_id": caller.caller_id, **said})
    return RecordsAnswer(
        batch_id=batch.batch_id,
        table=body.table,
        received_at=batch.received_at,
        received=len(batch.records),
        wrong=[RefusedRecord(**asdict(each)) for each in taken.wrong],
        repeated=taken.repeated,
    )
