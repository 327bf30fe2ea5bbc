"""Problem details (RFC 9457): the one shape of every refusal, and the handlers that make it.

A caller is told what went wrong and what to do, never what they sent: not in answers, not in logs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from aftercast.operations.audit import AuditError
from aftercast.operations.errors import AftercastError, ModelMismatchError, NotFoundError, StoreError, WorkspaceError
from aftercast.serving.error_locations import field_problem
from aftercast.serving.wire.problem import Problem

PROBLEM_TYPE: Final = "application/problem+json"
RETRY: Final = {"Retry-After": "1"}
"""Header of a refusal that passes."""
LOG: Final = logging.getLogger("aftercast.serving")

STATUS_OF: Final[Mapping[type[AftercastError], tuple[int, str, str]]] = {
    NotFoundError: (404, "not-found", "It does not exist"),
    ModelMismatchError: (503, "model-mismatch", "The model does not fit the data"),
    AuditError: (503, "audit-unavailable", "The answer cannot be recorded"),
    StoreError: (503, "store-unavailable", "The history cannot be read"),
    WorkspaceError: (503, "database-unavailable", "The operational database cannot be used"),
}
"""Status, code and title of errors that come from below; every other one is a defect of the service: 500."""
HINTS: Final[Mapping[int, str]] = {
    400: "Send JSON as text of UTF-8, not nested hundreds of levels deep, without numbers of thousands of digits.",
    404: "/openapi.json has the paths.",
    405: "/openapi.json has the methods of each path.",
}
"""What to do about a refusal of the framework."""


class ProblemError(AftercastError):
    """A refusal written for the caller; answered as problem details by :func:`install`.

    Parameters
    ----------
    status, code, title
        HTTP status; the last part of the problem's type; its title, the same for every occurrence.
    message, hint
        This occurrence and what to do, as in every error of aftercast.
    passes
        Whether the same request may be answered a moment later.
    """

    def __init__(
        self, status: int, code: str, title: str, message: str, hint: str = "", *, passes: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.passes = passes
        self.status = status
        self.code = code
        self.title = title


def problem_response(
    problem: Problem, request_id: str | None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Answer that carries a problem."""
    content = problem.model_copy(update={"request_id": request_id}).model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, problem.status, headers=headers, media_type=PROBLEM_TYPE)


def make_problem(status: int, code: str, title: str, detail: str, hint: str = "", **more: Any) -> Problem:
    """Problem of a code; the hint is left out where there is none."""
    return Problem(
        type=f"urn:aftercast:problem:{code}", title=title, status=status, detail=detail, hint=hint or None, **more
    )


def unexpected(request_id: str | None) -> JSONResponse:
    """Answer to what nobody foresaw; the log has the rest under the same request id."""
    return problem_response(
        make_problem(
            500,
            "unexpected",
            "The service failed",
            "The request could not be answered.",
            "Report the request_id: the service's log has the cause under it.",
        ),
        request_id,
    )


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(AftercastError, _on_aftercast)
    app.add_exception_handler(SQLAlchemyError, _on_database)


def request_id_of(request: Request) -> str | None:
    """Id the access log gave the request."""
    return getattr(request.state, "request_id", None)


async def _on_aftercast(request: Request, error: Exception) -> JSONResponse:
    request_id = request_id_of(request)
    if isinstance(error, ProblemError):
        problem = make_problem(error.status, error.code, error.title, error.message, error.hint)
        return problem_response(problem, request_id, RETRY if error.passes else None)
    known = next((answer for kind, answer in STATUS_OF.items() if isinstance(error, kind)), None)
    if known is None or known[0] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        LOG.error("a request failed", exc_info=error)
    if known is None or not isinstance(error, AftercastError):
        return unexpected(request_id)
    status, code, title = known
    return problem_response(make_problem(status, code, title, f"{title}.", error.hint), request_id)


async def _on_database(request: Request, error: Exception) -> JSONResponse:
    """A database that is away passes; a statement it refuses is a defect. Neither statement nor values are logged."""
    if not is_away(error):
        raise error
    request_id = request_id_of(request)
    LOG.error("a request needed the database, which is away: %s", type(error).__name__)
    problem = make_problem(
        503,
        "database-unavailable",
        "The operational database cannot be used",
        "This question needs the operational database, which cannot be reached.",
        "Ask again in a moment; the latest risks by id go on being answered.",
    )
    return problem_response(problem, request_id, RETRY)


def is_away(error: Exception) -> bool:
    """Whether an error of the database means that it cannot be reached, and not that a statement is wrong."""
    broken = isinstance(error, DBAPIError) and error.connection_invalidated
    return broken or isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    if isinstance(error.__cause__, ProblemError):  # FastAPI wraps what is raised while it reads a body
        return await _on_aftercast(request, error.__cause__)
    title, hint = HTTPStatus(error.status_code).phrase, HINTS.get(error.status_code, "")
    problem = make_problem(error.status_code, title.lower().replace(" ", "-"), title, f"{error.detail}", hint)
    return problem_response(problem, request_id_of(request), error.headers)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    found = tuple(field_problem(request, item) for item in error.errors())
    problem = make_problem(
        422,
        "invalid-request",
        "The request is not as described",
        f"{len(found)} field(s) are missing or wrong; the first is {found[0].location}.",
        "Compare with /openapi.json, which has an example of every body.",
        errors=found,
    )
    return problem_response(problem, request_id_of(request))
