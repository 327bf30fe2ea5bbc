"""Risk that customers leave."""

from __future__ import annotations

from fastapi import APIRouter

from aftercast.serving.deps import MAY_PREDICT, ServiceDep, refusals
from aftercast.serving.questions import Question, ask
from aftercast.serving.render import churn_answer
from aftercast.serving.wire.risk import ChurnRiskAnswer, ChurnRiskRequest

router = APIRouter(tags=["risk"], dependencies=[MAY_PREDICT])


@router.post("/v1/churn-risk", summary="How likely do customers leave, and why?", responses=refusals(413, 422, 503))
def churn_risk(service: ServiceDep, body: ChurnRiskRequest) -> ChurnRiskAnswer:
    """Answer for each customer; one that cannot be answered has an error of its own and the others their answers."""
    ids = [customer.customer_id for customer in body.customers]
    question = Question("churn", ids, body.horizon, body.top, body.as_of)
    return churn_answer(ask(service.workspace, service.champions, question))
