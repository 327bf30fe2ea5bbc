"""One log line, one count and one ``X-Request-ID`` per request, and the headers that every answer has.

The line names the route, not the path: paths and queries hold the caller's ids.
"""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.operations.log_format import FIELDS, REQUEST
from aftercast.serving.metrics.requests import RequestMetrics, method_of

ACCESS: Final = logging.getLogger("aftercast.serving.access")
REQUEST_ID: Final = "X-Request-ID"
_RAW_ID: Final = REQUEST_ID.lower().encode()
GUARDS: Final = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
BAD: Final = 400
LOOKED_AT: Final = 200
"""Bytes of a refusal in which its code stands."""
_ACCEPTED_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """ASGI middleware that gives each request an id, and logs and counts its outcome; the outermost one.

    A caller's own ``X-Request-ID`` is kept when it is 1 to 64 letters, digits, dots, dashes or underscores.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log one request and hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else os.urandom(16).hex()
        scope.setdefault("state", {})["request_id"] = request_id
        REQUEST.set(request_id)
        answer = _Answer(send, request_id)
        self.metrics.begun()
        began = time.perf_counter()
        try:
            await self.app(scope, receive, answer.send)
        finally:
            seconds = time.perf_counter() - began
            self.metrics.ended(scope, answer.status, seconds, answer.refusal)
            ACCESS.info("request", extra={FIELDS: _line(scope, request_id, answer.status, seconds)})


@dataclass
class _Answer:
    """The way back to the caller: adds headers, remembers the status and how a refusal begins."""

    way: Send
    request_id: str
    status: int | None = None
    refusal: bytes = b""

    async def send(self, message: Message) -> None:
        """Send on, with the id in the header; no answer is for a cache, nor for a browser that guesses its type."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (_RAW_ID, self.request_id.encode()), *GUARDS]
        elif self.status is not None and self.status >= BAD and not self.refusal:
            self.refusal = message.get("body", b"")[:LOOKED_AT]
        await self.way(message)


def _line(scope: Scope, request_id: str, status: int | None, seconds: float) -> dict[str, Any]:
    caller = scope["state"].get("caller")
    return {
        "request_id": request_id,
        "method": method_of(scope),
        "route": getattr(scope.get("route"), "path", None),
        "status": status,
        "duration_ms": round(seconds * 1000, 2),
        "key_id": None if caller is None else caller.caller_id,
    }
