"""The largest body the service reads, enforced while it arrives."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.serving.errors import ProblemError, make_problem, problem_response, request_id_of


class BodyLimit:
    """ASGI middleware that refuses a body above ``limit`` bytes, announced or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a body that is too large, else hand the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self.limit:
            await self._refuse(scope, receive, send)
            return
        await self.app(scope, _counted(receive, self.limit), send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = _too_large(self.limit)
        problem = make_problem(error.status, error.code, error.title, error.message, error.hint)
        await problem_response(problem, request_id_of(Request(scope)))(scope, receive, send)


def _counted(receive: Receive, limit: int) -> Receive:
    """Receive that stops once more than limit bytes came in."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> ProblemError:
    return ProblemError(
        413,
        "body-too-large",
        "The body is too large",
        f"The body is larger than {limit} bytes.",
        "Ask for fewer devices at a time, or raise serving.max_body_bytes.",
    )
