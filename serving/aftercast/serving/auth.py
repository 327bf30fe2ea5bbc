"""Who may ask: every path needs an API key or token before anything else is read; routes then say which scope.

The check is a middleware and not a dependency of each route, so that a new route is closed before anyone thinks of it.
Only the two probes are open, because the orchestrators and load balancers that call them hold no keys; they answer
nothing a caller could not learn by connecting (`/ready` names model versions, no device and no figure).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Final

from anyio import CapacityLimiter, to_thread
from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from sqlalchemy import Engine
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from aftercast.operations.database.keys import KEY_PREFIX
from aftercast.serving.errors import ProblemError
from aftercast.serving.principals import Caller, Callers
from aftercast.serving.problems import BUSY, SCOPE_MISSING, UNAUTHENTICATED
from aftercast.serving.tokens import Tokens

OPEN_PATHS: Final = frozenset({"/health", "/ready"})
DOCS_PATHS: Final = ("/docs", "/openapi.json")
"""Pages that a person opens in a browser; the browser's own prompt for a password may bring the key there."""
KEY_HEADER: Final = "X-API-Key"
BEARER_CHALLENGE: Final = 'Bearer realm="aftercast"'
BASIC_CHALLENGE: Final = 'Basic realm="aftercast"'
LOOKUP_THREADS: Final = 8
"""Threads that look up keys; as many look up tokens, and callers that worked before: none waits for another kind."""
MOST_WAITING: Final = 512
"""Look-ups that wait for such a thread, at most half a second; whoever else comes is asked to try again."""


class Authentication:
    """ASGI middleware: 401 for every path but the probes, unless the request carries a key or token that works.

    Parameters
    ----------
    database
        Gives the database with the keys.
    tokens
        Verifies tokens; without it every token is refused.
    """

    def __init__(self, app: ASGIApp, database: Callable[[], Engine], tokens: Tokens | None = None) -> None:
        self.app = app
        self.callers = Callers(database, None if tokens is None else tokens.verify)
        self._for_known = CapacityLimiter(LOOKUP_THREADS)
        self._for_keys = CapacityLimiter(LOOKUP_THREADS)
        self._for_tokens = CapacityLimiter(LOOKUP_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on; raise 401 for one without a key that works."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            presented = presented_key(scope)
            caller = await self._caller(presented)
            if caller is None:
                raise _unauthenticated(scope, presented)
            scope.setdefault("state", {})["caller"] = caller
        await self.app(scope, receive, send)

    async def _caller(self, presented: str | None) -> Caller | None:
        if presented is None or self.callers.refused(presented):
            return None
        known = self.callers.cached(presented)
        if known is not None:
            return known
        limiter = self._limiter(presented)
        if limiter.statistics().tasks_waiting >= MOST_WAITING:
            raise BUSY.error()
        return await to_thread.run_sync(self.callers.find, presented, limiter=limiter)

    def _limiter(self, presented: str) -> CapacityLimiter:
        if self.callers.remembered(presented):  # whoever invents keys cannot keep these waiting
            return self._for_known
        return self._for_keys if presented.startswith(KEY_PREFIX) else self._for_tokens


def presented_key(scope: Scope) -> str | None:
    """Return the key or token a request carries.

    ``X-API-Key``, else ``Authorization: Bearer``, else, for the documentation alone, the password of HTTP Basic.
    """
    headers = Headers(scope=scope)
    key = headers.get(KEY_HEADER, "").strip()
    if key:  # gateways add it empty
        return key
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    return _password(value.strip()) if scheme.lower() == "basic" and _is_docs(scope) else None


def _is_docs(scope: Scope) -> bool:
    pages, document = DOCS_PATHS
    path = scope["path"]
    return scope["method"] in {"GET", "HEAD"} and (path in {pages, document} or path.startswith(f"{pages}/"))


def _password(credentials: str) -> str | None:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None


def _unauthenticated(scope: Scope, presented: str | None) -> ProblemError:
    error = "" if presented is None else ', error="invalid_token"'  # RFC 6750: only where something was presented
    challenges = [("WWW-Authenticate", f"{BEARER_CHALLENGE}{error}")]
    if _is_docs(scope):
        challenges.append(("WWW-Authenticate", BASIC_CHALLENGE))
    return UNAUTHENTICATED.error(headers=challenges)


# Both schemes only describe themselves in the OpenAPI document; the middleware has already checked the key.
_HEADER: Final = APIKeyHeader(name=KEY_HEADER, scheme_name="ApiKey", auto_error=False)
_BEARER: Final = HTTPBearer(scheme_name="Bearer", auto_error=False)


async def allowed(
    request: Request,
    scopes: SecurityScopes,
    _header: Annotated[object, Security(_HEADER)],
    _bearer: Annotated[object, Security(_BEARER)],
) -> Caller:
    """Return the caller if it has every scope the route asks for; otherwise 403."""
    caller: Caller = request.state.caller
    missing = [scope for scope in scopes.scopes if not caller.allows(scope)]
    if missing:
        challenge = f'{BEARER_CHALLENGE}, error="insufficient_scope", scope="{missing[0]}"'
        raise SCOPE_MISSING.error(kind=caller.kind, scope=missing[0], headers=[("WWW-Authenticate", challenge)])
    return caller
