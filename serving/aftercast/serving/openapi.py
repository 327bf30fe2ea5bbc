"""The OpenAPI document: FastAPI's, with what the middlewares add to every answer."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from aftercast.serving.wire.problem import Problem

ABOUT: Final = """
How likely is a device to fail, a customer to leave, by when and why.

Every path but `/health` and `/ready` needs an API key, as `X-API-Key` or `Authorization: Bearer`. Refusals are
problem details (RFC 9457). All times are UTC. Probabilities are calibrated; null means that it cannot be judged.
A path answers HEAD where it answers GET; another method is refused with 405 and `Allow`.
"""
TAGS: Final = [
    {"name": "risk", "description": "Risks of failure and of leaving, by id."},
    {"name": "lists", "description": "Risk lists: whom to visit first."},
    {"name": "devices", "description": "One device: its facts, its history, its latest risk."},
    {"name": "models", "description": "The models that answer."},
    {"name": "records", "description": "Records of telemetry, events and master data, to be stored."},
    {"name": "operation", "description": "Metrics for Prometheus."},
    {"name": "probes", "description": "For orchestrators and load balancers; without a key."},
]
DESCRIPTION: Final[dict[str, Any]] = {
    "title": "aftercast",
    "summary": "Forecasts for after-sales service.",
    "description": ABOUT.strip(),
    "contact": {"name": "The operator of this service"},
    "license_info": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    "openapi_tags": TAGS,
}
_TEXT: Final = {"type": "string"}
HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-ID": {
        "description": "Id of the request in the log; the caller's own if sent.",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {
        "description": "The caller's limit: `q` requests in `w` seconds. Absent where there is none.",
        "schema": _TEXT,
        "example": '"caller";q=600;w=60',
    },
    "RateLimit": {
        "description": "Requests that remain (`r`); with a 429 also seconds until the next (`t`).",
        "schema": _TEXT,
        "example": '"caller";r=599',
    },
    "Retry-After": {"description": "Seconds after which to ask again.", "schema": {"type": "integer"}, "example": 1},
    "WWW-Authenticate": {"description": "How to authenticate (RFC 6750).", "schema": _TEXT},
}


def operation_id(route: APIRoute) -> str:
    """Name of a method of generated clients, such as ``get_device``."""
    return f"{min(route.methods or {'GET'}).lower()}_{route.name}"


def describe(app: FastAPI) -> None:
    """Add to the document of an application the headers of all answers, and the schema of problems."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            _, problem = models_json_schema([(Problem, "serialization")], ref_template="#/components/schemas/{model}")
            document["components"]["schemas"] |= problem["$defs"]
            document["components"]["headers"] = HEADERS
            for operation in (each for path in document["paths"].values() for each in path.values()):
                for status, response in operation["responses"].items():
                    named = _headers(int(status), closed="security" in operation)
                    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in named}
                    response["headers"] = {**response.get("headers", {}), **refs}
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation extends it


def _headers(status: int, *, closed: bool) -> list[str]:
    limited = ["RateLimit-Policy", "RateLimit"] if closed and status != 401 else []
    more = {401: ["WWW-Authenticate"], 403: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
    return ["X-Request-ID", *limited, *(more.get(status, []) if closed else [])]
