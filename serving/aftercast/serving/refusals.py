"""What the OpenAPI document tells of refusals: when each status is answered, and one such answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aftercast.serving.errors import HINTS, PROBLEM_TYPE, make_problem
from aftercast.serving.wire.problem import FieldProblem, Problem

REQUEST_ID: Final = "4f6c1f0e8a7b4d0f9d0c2b6a1e5f3a7c"


class Refusal(NamedTuple):
    """When a status is answered, and an example."""

    about: str
    example: Problem


REFUSALS: Final[Mapping[int, Refusal]] = {
    400: Refusal(
        "The body is no text of UTF-8",
        make_problem(400, "bad-request", "Bad Request", "There was an error parsing the body", HINTS[400]),
    ),
    401: Refusal(
        "No API key, or one that does not work",
        make_problem(
            401,
            "unauthenticated",
            "An API key is needed",
            "The request carries no API key or token that works: none was sent, or it is unknown, expired or revoked.",
            "Send it as X-API-Key, or as Authorization: Bearer. `aftercast keys create --name NAME` makes one.",
        ),
    ),
    403: Refusal(
        "The key lacks the scope",
        make_problem(
            403,
            "scope-missing",
            "The caller may not do this",
            "The key lacks the scope 'predict'.",
            "Make a key with it: `aftercast keys create --name NAME --scope predict`.",
        ),
    ),
    404: Refusal(
        "It does not exist",
        make_problem(404, "not-found", "It does not exist", "It does not exist.", "Import it, or correct the id."),
    ),
    408: Refusal(
        "The body came too slowly",
        make_problem(
            408,
            "body-too-slow",
            "The body came too slowly",
            "The body did not arrive in time.",
            "Send it at once, or raise serving.body_timeout_s.",
        ),
    ),
    409: Refusal(
        "The request is as described, but the data or the model cannot answer it",
        make_problem(
            409,
            "unknown-horizon",
            "The horizon cannot be answered",
            "The horizon is longer than the model's longest.",
            "Write a number and a unit (m, h, d, w), at most 30d.",
        ),
    ),
    413: Refusal(
        "The body is too large",
        make_problem(
            413,
            "body-too-large",
            "The body is too large",
            "The body is larger than 8000000 bytes.",
            "Ask for fewer devices at a time, or raise serving.max_body_bytes.",
        ),
    ),
    422: Refusal(
        "The request is not as described; names places, never values",
        make_problem(
            422,
            "invalid-request",
            "The request is not as described",
            "1 field(s) are missing or wrong; the first is body.devices.0.device_id.",
            "Compare with /openapi.json, which has an example of every body.",
            errors=(FieldProblem(location="body.devices.0.device_id", message="Field required"),),
        ),
    ),
    429: Refusal(
        "More requests than the key may make; Retry-After says when to go on",
        make_problem(
            429,
            "rate-limited",
            "Too many requests",
            "The caller may ask 600 times in 60 seconds and has asked more often.",
            "Ask again in 12 seconds, or ask for more devices at a time.",
        ),
    ),
    503: Refusal(
        "No model or no data to answer from, or too busy; the hint says what to do",
        make_problem(
            503,
            "no-model",
            "There is no model to answer",
            "No failure model has been promoted to champion.",
            "Run `aftercast train failure`.",
        ),
    ),
}
NOTHING_READABLE: Final = make_problem(
    409,
    "nothing-readable",
    "None of the records can be taken",
    "No record could be read.",
    "Write times with their zone (2026-01-31T06:00:00Z), and the columns as the table names them.",
)
ALWAYS: Final = (401, 403, 429, 503)
WITH_BODY: Final = (400, 408, 409, 413, 422)
"""Refusals of a route that reads a body."""


def refusals(*statuses: int, conflict: Problem = REFUSALS[409].example) -> dict[int | str, dict[str, Any]]:
    """Problem answers of a route for the OpenAPI document; those of every route are always among them.

    Parameters
    ----------
    conflict
        The route's own example of a 409, whose reasons differ most.
    """
    examples = {status: each.example for status, each in REFUSALS.items()} | {409: conflict}
    return {
        status: {"model": Problem, "description": REFUSALS[status].about, "content": _content(examples[status])}
        for status in sorted({*ALWAYS, *statuses})
    }


def _content(example: Problem) -> dict[str, Any]:
    shown = example.model_copy(update={"request_id": REQUEST_ID}).model_dump(mode="json", exclude_none=True)
    return {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": shown}}
