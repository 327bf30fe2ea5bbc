"""How likely, and why: one route for each kind of model that the service answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import WrapValidator

from aftercast.serving.deps import MAY_PREDICT, CallerDep, ServiceDep
from aftercast.serving.errors import request_id_of
from aftercast.serving.kinds import SERVED, ServedKind
from aftercast.serving.predictions import Question
from aftercast.serving.refusals import WITH_BODY, refusals
from aftercast.serving.responses import reply_to
from aftercast.serving.wire.common import few_errors
from aftercast.serving.wire.questions import RiskRequest

router = APIRouter(tags=["risk"], dependencies=[MAY_PREDICT])
Handler = Callable[..., Coroutine[Any, Any, Response]]


def handler(served: ServedKind) -> Handler:
    """Handler of questions about a kind."""

    async def answer(request: Request, service: ServiceDep, caller: CallerDep, body: RiskRequest) -> Response:
        question = Question(served.kind, body.ids, body.horizon, body.drivers, body.sent)
        return await reply_to(service, question, caller, request_id_of(request))

    # The body's type depends on the kind; FastAPI reads it from here.
    answer.__annotations__["body"] = Annotated[served.request, WrapValidator(few_errors)]
    return answer


for _each in SERVED.values():
    router.add_api_route(
        _each.path,
        handler(_each),
        methods=["POST"],
        name=_each.route_name,
        summary=_each.summary,
        description=_each.about,
        response_model=_each.answer,
        responses=refusals(*WITH_BODY),
    )
