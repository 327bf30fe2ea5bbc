"""Refusals by name: raised by it, and shown by it in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from aftercast.serving.errors import ProblemKind
from aftercast.serving.wire.problem import FieldProblem

_LATER: Final = "Ask again in a moment."
_OPERATOR: Final = "If it lasts, report the request_id to the operator of the service: its log has the cause under it."

BAD_REQUEST: Final = ProblemKind(
    400,
    "bad-request",
    "The body cannot be read",
    "The body is no JSON that can be read.",
    "Send JSON as text of UTF-8, not nested hundreds of levels deep, without numbers of thousands of digits.",
)
UNAUTHENTICATED: Final = ProblemKind(
    401,
    "unauthenticated",
    "An API key is needed",
    "The request carries no API key or token that works: none was sent, or it is unknown, expired or revoked.",
    "Send it as X-API-Key, or as Authorization: Bearer; the operator of the service gives out keys.",
)
SCOPE_MISSING: Final = ProblemKind(
    403,
    "scope-missing",
    "The caller may not do this",
    "The {kind} lacks the scope '{scope}'.",
    "Ask the operator of the service for a key that has it.",
    example={"kind": "key", "scope": "predict"},
)
OUTLETS_CANNOT_SEND: Final = ProblemKind(
    403,
    "outlets-cannot-send",
    "The caller may not do this",
    "It is limited to outlets.",
    "Send records with a key without outlets.",
)
NOT_FOUND: Final = ProblemKind(
    404,
    "not-found",
    "It does not exist",
    "It does not exist.",
    "{hint}",
    example={"hint": "Import it, or correct the id."},
)
NO_SUCH_PATH: Final = ProblemKind(
    404, "no-such-path", "The path does not exist", "There is nothing at this path.", "/openapi.json has the paths."
)
METHOD_NOT_ALLOWED: Final = ProblemKind(
    405,
    "method-not-allowed",
    "The path has no such method",
    "The path is there, the method is not.",
    "/openapi.json has the methods of each path.",
)
BODY_TOO_SLOW: Final = ProblemKind(
    408, "body-too-slow", "The body came too slowly", "The body did not arrive in time.", "Send it at once."
)
UNKNOWN_HORIZON: Final = ProblemKind(
    409,
    "unknown-horizon",
    "The horizon cannot be answered",
    "{detail}",
    "{hint}",
    example={
        "detail": "The horizon is longer than the model's longest.",
        "hint": "Write a number and a unit (m, h, d, w), at most 30d.",
    },
)
IDEMPOTENCY_KEY_REUSED: Final = ProblemKind(
    409,
    "idempotency-key-reused",
    "The idempotency key was used for another request",
    "A request repeated under one Idempotency-Key must be the same every time.",
    "Use a new key for new records.",
)
TOO_MANY_LISTS: Final = ProblemKind(409, "too-many-lists", "No more lists of this cutoff", "{detail}", "{hint}")
BODY_TOO_LARGE: Final = ProblemKind(
    413,
    "body-too-large",
    "The body is too large",
    "The body is larger than {limit} bytes.",
    "Split the request.",
    example={"limit": 8_000_000},
)
NOT_JSON: Final = ProblemKind(
    415,
    "not-json",
    "The body is not called JSON",
    "The Content-Type of the body is not JSON.",
    "Send it with Content-Type: application/json.",
)
INVALID_REQUEST: Final = ProblemKind(
    422,
    "invalid-request",
    "The request is not as described",
    "{count} field(s) are missing or wrong; the first is {location}.",
    "Compare with /openapi.json, which has an example of every body.",
    example={"count": 1, "location": "body.devices.0.device_id"},
    fields=(FieldProblem(location="body.devices.0.device_id", message="Field required"),),
)
TOO_MANY: Final = ProblemKind(
    422,
    "too-many-{noun}s",
    "Too many {noun}s in one call",
    "The request has {count} {noun}s, the service takes {most} a call.",
    "{hint}",
)
ONE_DEVICE_WITH_RECORDS: Final = ProblemKind(
    422,
    "one-device-with-records",
    "Records need a call of their own",
    "The request asks about {count} devices and brings records.",
    "Ask about a device with records in a call of its own.",
)
NOTHING_READABLE: Final = ProblemKind(
    422,
    "nothing-readable",
    "None of the records can be taken",
    "No record could be read.",
    "Write times with their zone (2026-01-31T06:00:00Z), and the columns as the table names them.",
)
RATE_LIMITED: Final = ProblemKind(
    429,
    "rate-limited",
    "Too many requests",
    "The caller may ask {amount} times in {window_s} seconds and has asked more often.",
    "Ask again in {wait_s} seconds, or about more devices at a time.",
    example={"amount": 600, "window_s": 60, "wait_s": 12},
)
UNEXPECTED: Final = ProblemKind(
    500, "unexpected", "The service failed", "The request could not be answered.", _OPERATOR
)
NO_MODEL: Final = ProblemKind(
    503,
    "no-model",
    "There is no model to answer",
    "{reason}",
    "Ask again when there is one; /ready says what is missing.",
    example={"reason": "No failure model has been promoted to champion."},
)
NOT_SCORED: Final = ProblemKind(
    503, "not-scored", "Nothing is scored", "{reason}", "Ask again after the next scoring; /ready says what is missing."
)
MODEL_MISMATCH: Final = ProblemKind(
    503, "model-mismatch", "The model does not fit the data", "The model does not fit the data.", _OPERATOR
)
AUDIT_UNAVAILABLE: Final = ProblemKind(
    503, "audit-unavailable", "The answer cannot be recorded", "The answer cannot be recorded.", f"{_LATER} {_OPERATOR}"
)
STORE_UNAVAILABLE: Final = ProblemKind(
    503, "store-unavailable", "The history cannot be read", "The history cannot be read.", f"{_LATER} {_OPERATOR}"
)
DATABASE_UNAVAILABLE: Final = ProblemKind(
    503,
    "database-unavailable",
    "The operational database cannot be used",
    "This question needs the operational database, which is unavailable.",
    "Ask again in a moment; the latest risks by id go on being answered.",
    passes=True,
)
RECORDS_NOT_TAKEN: Final = ProblemKind(
    503,
    "database-unavailable",
    "Records cannot be taken",
    "The operational database is unavailable: nothing was taken.",
    "Send the records again.",
)
KEYS_UNAVAILABLE: Final = ProblemKind(
    503,
    "keys-unavailable",
    "Keys cannot be checked",
    "The database that holds the keys is unavailable.",
    "Ask again in a moment; keys that were used in the last minutes go on working.",
    passes=True,
)
TOKENS_UNAVAILABLE: Final = ProblemKind(
    503,
    "tokens-unavailable",
    "Tokens cannot be checked",
    "The issuer of tokens is unavailable.",
    "Ask again in a moment, or use an API key.",
    passes=True,
)
BUSY: Final = ProblemKind(
    503, "busy", "The service is busy", "Too many requests are being answered already.", _LATER, passes=True
)
TOOK_TOO_LONG: Final = ProblemKind(
    503,
    "took-too-long",
    "The answer takes too long",
    "The request was not answered within {within_s:g} s; it may be carried out nevertheless.",
    "Ask again in a moment, about fewer devices; send records again under the same Idempotency-Key.",
    passes=True,
    example={"within_s": 30.0},
)
