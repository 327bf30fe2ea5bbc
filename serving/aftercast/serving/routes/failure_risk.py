"""Risk of failure of devices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import WrapValidator

from aftercast.serving.deps import MAY_PREDICT, CallerDep, ServiceDep
from aftercast.serving.errors import request_id_of
from aftercast.serving.predictions import Question
from aftercast.serving.refusals import WITH_BODY, refusals
from aftercast.serving.responses import reply_to
from aftercast.serving.wire.common import few_errors
from aftercast.serving.wire.risk import SENT_TABLES, DeviceAsked, FailureRiskAnswer, FailureRiskRequest


def question(body: FailureRiskRequest) -> Question:
    """Question that a body asks."""
    ids = [device.device_id for device in body.devices]
    sent = {device.device_id: _records(device) for device in body.devices if device.sends}
    return Question("failure", ids, body.horizon, body.top, body.as_of, sent)


Body = Annotated[FailureRiskRequest, WrapValidator(few_errors)]
router = APIRouter(tags=["risk"], dependencies=[MAY_PREDICT])


@router.post(
    "/v1/failure-risk",
    summary="How likely do devices fail, and why?",
    response_model=FailureRiskAnswer,
    responses=refusals(*WITH_BODY),
)
async def failure_risk(request: Request, service: ServiceDep, caller: CallerDep, body: Body) -> Response:
    """Answer for each device; one that cannot be answered has an error of its own and the others their answers.

    A device may bring telemetry and events that are not imported yet: they count as if they were; nothing is stored.
    """
    return await reply_to(service, question(body), caller, request_id_of(request))


def _records(device: DeviceAsked) -> dict[str, list[dict[str, Any]]]:
    found = {table: rows for table in SENT_TABLES if (rows := getattr(device, table))}
    return found if device.facts is None else {**found, "devices": [device.facts]}
