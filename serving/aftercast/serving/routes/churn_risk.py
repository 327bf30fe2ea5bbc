"""Risk that customers leave."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import WrapValidator

from aftercast.serving.deps import MAY_PREDICT, CallerDep, ServiceDep
from aftercast.serving.errors import request_id_of
from aftercast.serving.predictions import Question
from aftercast.serving.refusals import WITH_BODY, refusals
from aftercast.serving.responses import reply_to
from aftercast.serving.wire.common import few_errors
from aftercast.serving.wire.risk import ChurnRiskAnswer, ChurnRiskRequest


def question(body: ChurnRiskRequest) -> Question:
    """Question that a body asks."""
    ids = [customer.customer_id for customer in body.customers]
    return Question("churn", ids, body.horizon, body.top, body.as_of)


Body = Annotated[ChurnRiskRequest, WrapValidator(few_errors)]
router = APIRouter(tags=["risk"], dependencies=[MAY_PREDICT])


@router.post(
    "/v1/churn-risk",
    summary="How likely do customers leave, and why?",
    response_model=ChurnRiskAnswer,
    responses=refusals(*WITH_BODY),
)
async def churn_risk(request: Request, service: ServiceDep, caller: CallerDep, body: Body) -> Response:
    """Answer for each customer; one that cannot be answered has an error of its own and the others their answers."""
    return await reply_to(service, question(body), caller, request_id_of(request))
