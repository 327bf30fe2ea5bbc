"""Risk of failure of devices."""

from __future__ import annotations

from fastapi import APIRouter

from aftercast.serving.deps import MAY_PREDICT, ServiceDep, refusals
from aftercast.serving.questions import Question, ask
from aftercast.serving.render import failure_answer
from aftercast.serving.wire.risk import FailureRiskAnswer, FailureRiskRequest

router = APIRouter(tags=["risk"], dependencies=[MAY_PREDICT])


@router.post("/v1/failure-risk", summary="How likely do devices fail, and why?", responses=refusals(413, 422, 503))
def failure_risk(service: ServiceDep, body: FailureRiskRequest) -> FailureRiskAnswer:
    """Answer for each device; one that cannot be answered has an error of its own and the others their answers."""
    ids = [device.device_id for device in body.devices]
    question = Question("failure", ids, body.horizon, body.top, body.as_of)
    return failure_answer(ask(service.workspace, service.champions, question))
