"""Refusals as exceptions; each is answered as problem details (RFC 9457), see ``error_handling``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import Request
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aftercast.operations.errors import AftercastError
from aftercast.serving.wire.problem import FieldProblem, Problem

PROBLEM_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "/problems/"
"""Before the code of a problem in its type: a relative reference, which names a kind and leads to no page."""
RETRY: Final = ("Retry-After", "1")
"""Header of a refusal that passes."""
LOG: Final = logging.getLogger("aftercast.serving")
Headers = Sequence[tuple[str, str]]


class ProblemError(AftercastError):
    """A refusal written for the caller; answered as problem details, see :class:`ProblemKind`.

    Attributes
    ----------
    problem
        Body of the answer.
    headers
        Of the answer; a name may occur twice.
    """

    def __init__(self, problem: Problem, headers: Headers = ()) -> None:
        super().__init__(problem.detail, problem.hint or "")
        self.problem = problem
        self.headers = headers


@dataclass(frozen=True)
class ProblemKind:
    """A kind of refusal: what is raised, and what the OpenAPI document shows of it. Texts name values in braces.

    Attributes
    ----------
    status, code, title
        HTTP status; the last part of the problem's type; its title, the same for every occurrence.
    detail, hint
        This occurrence and what to do, as in every error of aftercast.
    passes
        Whether the same request may be answered a moment later.
    example
        Values of an example.
    fields
        Fields that the example names.
    """

    status: int
    code: str
    title: str
    detail: str
    hint: str = ""
    passes: bool = False
    example: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[FieldProblem, ...] | None = None

    def error(
        self, *, headers: Headers = (), errors: tuple[FieldProblem, ...] | None = None, **values: object
    ) -> ProblemError:
        """Return the error of an occurrence; ``errors`` are the fields of the request that are missing or wrong."""
        code, title, detail, hint = (text.format(**values) for text in (self.code, self.title, self.detail, self.hint))
        problem = Problem(
            type=f"{TYPE_PREFIX}{code}",
            title=title,
            status=self.status,
            detail=detail,
            hint=hint or None,
            request_id=None,
            errors=errors,
        )
        return ProblemError(problem, (*headers, RETRY) if self.passes else headers)

    def shown(self) -> Problem:
        """Return an example."""
        return self.error(errors=self.fields, **self.example).problem


def request_id_of(request: Request) -> str | None:
    """Id the access log gave the request."""
    return getattr(request.state, "request_id", None)


def is_away(error: Exception) -> bool:
    """Whether an error of the database means that it cannot be reached, and not that a statement is wrong."""
    broken = isinstance(error, DBAPIError) and error.connection_invalidated
    return broken or isinstance(error, (OperationalError, InterfaceError, PoolTimeoutError))
