"""Refusals in the OpenAPI document: when each status is answered, and one such answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aftercast.serving import problems
from aftercast.serving.errors import PROBLEM_TYPE, ProblemKind

REQUEST_ID: Final = "4f6c1f0e8a7b4d0f9d0c2b6a1e5f3a7c"
REFUSALS: Final[Mapping[int, tuple[str, ProblemKind]]] = {
    400: ("The body cannot be read", problems.BAD_REQUEST),
    401: ("No API key, or one that does not work", problems.UNAUTHENTICATED),
    403: ("The key lacks the scope", problems.SCOPE_MISSING),
    404: ("It does not exist", problems.NOT_FOUND),
    408: ("The body came too slowly; the connection is closed", problems.BODY_TOO_SLOW),
    409: ("The request is as described, but the data or the model cannot answer it", problems.UNKNOWN_HORIZON),
    413: ("The body is too large", problems.BODY_TOO_LARGE),
    415: ("The body is not called JSON", problems.NOT_JSON),
    422: ("The request is not as described; names places, never values", problems.INVALID_REQUEST),
    429: ("More requests than the key may make; Retry-After says when to go on", problems.RATE_LIMITED),
    500: ("A defect of the service", problems.UNEXPECTED),
    503: ("No model or no data to answer from, or too busy; the hint says what to do", problems.NO_MODEL),
}
"""Status -> when it is answered, and an example."""
ALWAYS: Final = (401, 403, 429, 500, 503)
WITH_BODY: Final = (400, 408, 409, 413, 415, 422)
"""Refusals of a route that reads a body."""


def refusals(*statuses: int, examples: Iterable[ProblemKind] = ()) -> dict[int | str, dict[str, Any]]:
    """Problem answers of a route for the OpenAPI document; those of every route are always among them.

    Parameters
    ----------
    examples
        The route's own, instead of those of all routes.
    """
    own = {kind.status: kind for kind in examples}
    found = {status: REFUSALS[status] for status in sorted({*ALWAYS, *statuses})}
    return {status: _refusal(about, own.get(status, kind)) for status, (about, kind) in found.items()}


def _refusal(about: str, kind: ProblemKind) -> dict[str, Any]:
    shown = kind.shown().model_copy(update={"request_id": REQUEST_ID})
    example = shown.model_dump(mode="json", exclude_none=True)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": about, "content": {PROBLEM_TYPE: {"schema": schema, "example": example}}}
