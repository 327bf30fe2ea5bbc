"""Forecasts that are no probabilities: one route for each such kind, answered from the latest scoring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import WrapValidator

from aftercast.models.forecast import Statement
from aftercast.models.kind import Kind
from aftercast.models.kinds import every_kind
from aftercast.models.scoring.forecast_store import forecasts_of
from aftercast.serving.deps import MAY_PREDICT, CallerDep, ServiceDep
from aftercast.serving.errors import request_id_of
from aftercast.serving.predictions import check_size
from aftercast.serving.refusals import WITH_BODY, refusals
from aftercast.serving.serialization import PREDICTION
from aftercast.serving.tenancy import visible
from aftercast.serving.wire.common import ResultProblem, few_errors
from aftercast.serving.wire.forecasts import (
    ForecastAnswer,
    ForecastModel,
    ForecastProblem,
    ForecastRequest,
    ForecastResult,
)

Body = Annotated[ForecastRequest, WrapValidator(few_errors)]
Handler = Callable[..., ForecastAnswer]


def make_router() -> APIRouter:
    """Router with a route for each kind whose forecasts are no probabilities."""
    router = APIRouter(tags=["forecasts"], dependencies=[MAY_PREDICT])
    for kind in every_kind():
        if kind.shape != "hazard":
            router.add_api_route(
                f"/v1/{kind.path}",
                handler(kind),
                methods=["POST"],
                name=kind.path.replace("-", "_"),
                summary=f"{kind.title} of {kind.entity.noun}s",
                description=f"The latest forecasts: {kind.about} `aftercast score` makes them.",
                response_model=ForecastAnswer,
                responses=refusals(404, *WITH_BODY),
            )
    return router


def handler(kind: Kind) -> Handler:
    """Handler of questions about a kind."""

    def forecasts(request: Request, service: ServiceDep, caller: CallerDep, body: Body) -> ForecastAnswer:
        check_size(service.workspace, kind.entity.noun, body.ids)
        found, latest = forecasts_of(service.workspace.database, kind.name, body.ids)
        seen = visible(service.workspace, kind.name, body.ids, caller)
        said = {each.entity_id: kind.answer(each) for each in latest if each.entity_id in seen}
        results = [_result(kind, each, said.get(each)) for each in body.ids]
        about = {
            "request_id": request_id_of(request),
            "key_id": caller.caller_id,
            "kind": kind.name,
            "model_version": found.model_version,
            "data_version": found.data_version,
            "cutoff": found.cutoff.isoformat(),
        }
        service.audit.append(PREDICTION, {**about, "answers": [_kept(each) for each in results]})
        return ForecastAnswer(
            cutoff=found.cutoff,
            answered=len([each for each in results if each.status == "answered"]),
            failed=len([each for each in results if each.status == "error"]),
            model=ForecastModel(name=kind.name, version=found.model_version),
            results=results,
        )

    return forecasts


def _result(kind: Kind, entity_id: str, said: Statement | None) -> ForecastResult | ForecastProblem:
    if said is None:
        noun = kind.entity.noun
        problem = ResultProblem(
            code=f"unknown_{noun}",
            message=f"There is no forecast of this {noun}.",
            hint="Correct the id, or ask again after the next scoring.",
        )
        return ForecastProblem(id=entity_id, error=problem)
    return ForecastResult(
        id=entity_id,
        sentence=said.sentence,
        reason=said.reason,
        reasons=list(said.reasons),
        values=dict(said.values),
        data_as_of=said.data_as_of,
    )


def _kept(result: ForecastResult | ForecastProblem) -> dict[str, Any]:
    """What the audit log keeps of a result."""
    if isinstance(result, ForecastProblem):
        return {"id": result.id, "error": result.error.code}
    return {"id": result.id, "sentence": result.sentence, **result.values}
