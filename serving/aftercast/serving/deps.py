"""What handlers are given, named as types; and the refusals every route can answer with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security

from aftercast.data.audit.log import AuditLog
from aftercast.data.workspace import Workspace
from aftercast.serving.auth import allowed
from aftercast.serving.callers import Caller
from aftercast.serving.champion import Champions
from aftercast.serving.errors import PROBLEM_TYPE
from aftercast.serving.measures.measures import Measures
from aftercast.serving.wire.problem import Problem


@dataclass(frozen=True)
class Service:
    """One running service: its workspace, the models it holds, and its figures of operation."""

    workspace: Workspace
    champions: Champions
    measures: Measures

    @property
    def audit(self) -> AuditLog:
        """The log of what was answered."""
        return self.workspace.audit


async def _service(request: Request) -> Service:  # async, so that it costs no thread
    service: Service = request.app.state.service
    return service


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


ServiceDep = Annotated[Service, Depends(_service)]
CallerDep = Annotated[Caller, Depends(_caller)]

MAY_PREDICT: Final = Security(allowed, scopes=["predict"])
MAY_LIST: Final = Security(allowed, scopes=["lists"])
MAY_INGEST: Final = Security(allowed, scopes=["ingest"])
MAY_MEASURE: Final = Security(allowed, scopes=["metrics"])

_REFUSALS: Final = {
    400: "The body is no text of UTF-8",
    401: "No API key, or one that does not work",
    403: "The key lacks the scope",
    404: "It does not exist",
    408: "The body came too slowly",
    409: "The request is as described, but the data or the model cannot answer it",
    413: "The body is too large",
    422: "The request is not as described; names places, never values",
    429: "More requests than the key may make; Retry-After says when to go on",
    503: "No model or no data to answer from, or too busy; the hint says what to do",
}
ALWAYS: Final = (401, 403, 429, 503)
WITH_BODY: Final = (400, 408, 409, 413, 422)
"""Refusals of a route that reads a body."""


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problem answers of a route for the OpenAPI document; those of every route are always among them."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"model": Problem, "description": _REFUSALS[status], "content": {PROBLEM_TYPE: schema}}
        for status in sorted({*ALWAYS, *statuses})
    }
