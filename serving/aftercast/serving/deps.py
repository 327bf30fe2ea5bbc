"""What handlers are given, named as types; and the refusals every route can answer with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security

from aftercast.data.workspace import Workspace
from aftercast.serving.auth import allowed
from aftercast.serving.champion import Champions
from aftercast.serving.errors import PROBLEM_TYPE
from aftercast.serving.wire.problem import Problem


@dataclass(frozen=True)
class Service:
    """One running service: its workspace and the models it holds."""

    workspace: Workspace
    champions: Champions


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(_service)]

MAY_PREDICT: Final = Security(allowed, scopes=["predict"])
MAY_LIST: Final = Security(allowed, scopes=["lists"])

_REFUSALS: Final = {
    401: "No API key, or one that does not work",
    403: "The key lacks the scope",
    404: "It does not exist",
    413: "The body is too large",
    422: "The request is not as described; names places, never values",
    503: "No model or no data to answer from; the hint says what to run",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem answers of a route for the OpenAPI document; 401 and 403 are always among them."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"model": Problem, "description": _REFUSALS[status], "content": {PROBLEM_TYPE: schema}}
        for status in sorted({401, 403, *statuses})
    }
