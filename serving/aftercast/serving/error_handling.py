"""The one way from an error to an answer: problem details (RFC 9457).

A caller is told what went wrong and what to do, never what they sent: not in answers, not in logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.operations.audit.lines import AuditError
from aftercast.operations.errors import AftercastError, ModelMismatchError, NotFoundError, StoreError, WorkspaceError
from aftercast.serving import problems
from aftercast.serving.error_locations import called_json, field_problem
from aftercast.serving.errors import LOG, PROBLEM_TYPE, ProblemError, ProblemKind, is_away, request_id_of

FROM_BELOW: Final[Mapping[type[AftercastError], ProblemKind]] = {
    ModelMismatchError: problems.MODEL_MISMATCH,
    AuditError: problems.AUDIT_UNAVAILABLE,
    StoreError: problems.STORE_UNAVAILABLE,
    WorkspaceError: problems.DATABASE_UNAVAILABLE,
}
"""Errors of the layers below that pass; every other one is a defect of the service: 500."""
FROM_FRAMEWORK: Final[Mapping[int, ProblemKind]] = {
    400: problems.BAD_REQUEST,
    404: problems.NO_SUCH_PATH,
    405: problems.METHOD_NOT_ALLOWED,
}


class ErrorHandling:
    """ASGI middleware that answers whatever is raised within it, unless an answer has begun."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            if started or scope["type"] != "http":
                LOG.error("a request failed", exc_info=error)
                raise
            response = await answer(Request(scope), error)
            await response(scope, receive, send)


def install(app: FastAPI) -> None:
    """Answer errors of routes as those of the middlewares, but within these, which add their headers."""
    for kind in (RequestValidationError, HTTPException, AftercastError, SQLAlchemyError):
        app.add_exception_handler(kind, answer)


async def answer(request: Request, error: Exception) -> JSONResponse:
    """Return the answer to an error; what is no refusal is logged, under the same request id."""
    found = _refusal(request, error)
    problem = found.problem.model_copy(update={"request_id": request_id_of(request)})
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, ProblemError):
        _log(error)
    content = problem.model_dump(mode="json", exclude_none=True)
    response = JSONResponse(content, problem.status, media_type=PROBLEM_TYPE)
    for name, value in found.headers:
        response.headers.append(name, value)
    return response


def _refusal(request: Request, error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(request, error)
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, NotFoundError):
        return problems.NOT_FOUND.error(hint=error.hint)
    if is_away(error):
        return problems.DATABASE_UNAVAILABLE.error()
    known = (found for kind, found in FROM_BELOW.items() if isinstance(error, kind))
    return next(known, problems.UNEXPECTED).error()


def _invalid(request: Request, error: RequestValidationError) -> ProblemError:
    if error.body and not called_json(request):
        return problems.NOT_JSON.error()
    found = tuple(field_problem(request, item) for item in error.errors())
    return problems.INVALID_REQUEST.error(errors=found, count=len(found), location=found[0].location)


def _of_framework(error: HTTPException) -> ProblemError:
    if isinstance(error.__cause__, ProblemError):  # FastAPI wraps what is raised while it reads a body
        return error.__cause__
    found = FROM_FRAMEWORK.get(error.status_code, problems.UNEXPECTED)
    return found.error(headers=tuple((error.headers or {}).items()))


def _log(error: Exception) -> None:
    """Log an error; of one of the database neither statement nor values."""
    if is_away(error):
        LOG.error("a request needed the database, which is unavailable: %s", type(error).__name__)
    else:
        LOG.error("a request failed", exc_info=error)
