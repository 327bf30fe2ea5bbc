"""Who may ask: every path needs an API key before anything else is read; routes then say which scope.

The check is a middleware and not a dependency of each route, so that a new route is closed before anyone thinks of it.
Only the two probes are open, because the orchestrators and load balancers that call them hold no keys; they answer
nothing a caller could not learn by connecting (`/ready` names model versions, no device and no figure).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from aftercast.data.records.keys import ApiKey, verify_key
from aftercast.serving.errors import ProblemError, make_problem, problem_response, request_id_of

OPEN_PATHS: Final = frozenset({"/health", "/ready"})
KEY_HEADER: Final = "X-API-Key"


class Authentication:
    """ASGI middleware: 401 for every path but the probes, unless the request carries a key that works."""

    def __init__(self, app: ASGIApp, database: Callable[[], Engine]) -> None:
        self.app = app
        self.database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request without a key, else hand it on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            caller = await self._caller(Headers(scope=scope))
            if caller is None:
                await _unauthenticated(Request(scope))(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self.app(scope, receive, send)

    async def _caller(self, headers: Headers) -> ApiKey | None:
        presented = presented_key(headers)
        return None if presented is None else await run_in_threadpool(verify_key, self.database(), presented)


def presented_key(headers: Headers) -> str | None:
    """Return the key a request carries: ``X-API-Key``, else ``Authorization: Bearer``."""
    if KEY_HEADER in headers:
        return headers[KEY_HEADER].strip()
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _unauthenticated(request: Request) -> ASGIApp:
    problem = make_problem(
        401,
        "unauthenticated",
        "An API key is needed",
        "The request carries no API key that works: none was sent, or it is unknown, expired or revoked.",
        f"Send it as {KEY_HEADER}, or as Authorization: Bearer. `aftercast keys create --name NAME` makes one.",
    )
    return problem_response(problem, request_id_of(request), {"WWW-Authenticate": 'Bearer realm="aftercast"'})


# Both schemes only describe themselves in the OpenAPI document; the middleware has already checked the key.
_HEADER: Final = APIKeyHeader(name=KEY_HEADER, scheme_name="ApiKey", auto_error=False)
_BEARER: Final = HTTPBearer(scheme_name="Bearer", auto_error=False)


async def allowed(
    request: Request,
    scopes: SecurityScopes,
    _header: Annotated[object, Security(_HEADER)],
    _bearer: Annotated[object, Security(_BEARER)],
) -> ApiKey:
    """Return the caller's key if it has every scope the route asks for; otherwise 403."""
    caller: ApiKey = request.state.caller
    missing = [scope for scope in scopes.scopes if not caller.allows(scope)]
    if missing:
        raise ProblemError(
            403,
            "scope-missing",
            "The key may not do this",
            f"The key lacks the scope '{missing[0]}'.",
            f"Make one with it: `aftercast keys create --name NAME --scope {missing[0]}`.",
        )
    return caller
