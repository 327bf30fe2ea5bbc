"""How likely, and why: one route for each kind of model that the service answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import WrapValidator

from aftercast.models.kinds import hazard_kind
from aftercast.models.kinds.hazards import HazardKind
from aftercast.serving.deps import MAY_PREDICT, CallerDep, ServiceDep
from aftercast.serving.errors import request_id_of
from aftercast.serving.kinds import WIRES, served_kinds
from aftercast.serving.predictions import Question
from aftercast.serving.refusals import WITH_BODY, refusals
from aftercast.serving.responses import reply_to
from aftercast.serving.wire.common import few_errors
from aftercast.serving.wire.questions import RiskRequest

Handler = Callable[..., Coroutine[Any, Any, Response]]
ABOUT: Final = "Each {noun} has a result of its own: a risk, or an error. One error does not affect the other results."
RECORDS: Final = (
    "\n\nA question about one device may bring records that are not imported yet."
    " They count as if they were imported, and are not stored."
)


def make_router() -> APIRouter:
    """Router with a route for each kind whose forecasts are probabilities."""
    router = APIRouter(tags=["risk"], dependencies=[MAY_PREDICT])
    for kind in map(hazard_kind, served_kinds()):
        verb, noun = kind.words.verb.removesuffix("s"), kind.entity.noun
        router.add_api_route(
            f"/v1/{kind.path}",
            handler(kind),
            methods=["POST"],
            name=kind.path.replace("-", "_"),
            summary=f"How likely are {noun}s to {verb}, and why?",
            description=ABOUT.format(noun=noun) + (RECORDS if kind.grain == "device_id" else ""),
            response_model=WIRES[kind.grain].answer,
            responses=refusals(*WITH_BODY),
        )
    return router


def handler(kind: HazardKind) -> Handler:
    """Handler of questions about a kind."""

    async def answer(request: Request, service: ServiceDep, caller: CallerDep, body: RiskRequest) -> Response:
        question = Question(kind.name, body.ids, body.horizon, body.drivers, body.sent)
        return await reply_to(service, question, caller, request_id_of(request))

    # The body's type depends on the kind; FastAPI reads it from here.
    answer.__annotations__["body"] = Annotated[WIRES[kind.grain].request, WrapValidator(few_errors)]
    return answer
