"""One structured log line and one ``X-Request-ID`` per request; the outermost edge of the service.

The line names the route, not the path: paths and queries hold the caller's ids.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.serving.errors import LOG, unexpected

ACCESS: Final = logging.getLogger("aftercast.serving.access")
REQUEST_ID: Final = "X-Request-ID"
_ACCEPTED_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestLog:
    """ASGI middleware that gives each request an id, logs its outcome and answers what nothing else caught.

    A caller's own ``X-Request-ID`` is kept when it is 1 to 64 letters, digits, dots, dashes or underscores.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log one request and hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        began = time.perf_counter()
        try:
            await self.app(scope, receive, answer.send)
        except Exception as error:  # the outermost edge: logged, and told without its content
            LOG.error("request %s failed", request_id, exc_info=error)
            if answer.status is not None:
                raise
            await unexpected(request_id)(scope, receive, answer.send)
        finally:
            ACCESS.info(_line(scope, request_id, answer.status, time.perf_counter() - began))


@dataclass
class _Answer:
    """The way back to the caller: adds the id and remembers the status."""

    way: Send
    request_id: str
    status: int | None = None

    async def send(self, message: Message) -> None:
        """Send on, with the id in the header."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID] = self.request_id
        await self.way(message)


def _line(scope: Scope, request_id: str, status: int | None, seconds: float) -> str:
    caller = scope["state"].get("caller")
    return json.dumps(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": request_id,
            "method": scope["method"],
            "route": getattr(scope.get("route"), "path", None),
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "key_id": None if caller is None else caller.key_id,
        }
    )


def log_to_stderr() -> None:
    """Send the service's log to standard error; access lines are JSON and nothing else."""
    _to_stderr(logging.getLogger("aftercast.serving"), "%(asctime)s %(levelname)s %(name)s %(message)s")
    _to_stderr(ACCESS, "%(message)s")


def _to_stderr(logger: logging.Logger, form: str) -> None:
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(form))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
