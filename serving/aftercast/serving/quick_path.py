"""The short way of plain questions whose answers are in memory: past the framework, whose own work would be most of it.

Whoever may ask, how often and how much was decided by the middlewares before. Anything that is not plain goes the
framework's way with its body untouched: another content type, a body that is not as described, a missing scope, a
question that has to be computed, and every refusal, so that there is one place that words them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.operations.errors import AftercastError
from aftercast.serving.deps import Service
from aftercast.serving.predictions import Question
from aftercast.serving.principals import Caller
from aftercast.serving.responses import reply_at_hand

SCOPE: Final = "predict"
CONTENT_TYPE: Final = (b"content-type", b"application/json")
MOST_BYTES: Final = 256_000
"""Larger bodies are read once, by the framework: they are hardly ever plain."""


@dataclass(frozen=True)
class Plain:
    """A route whose plain questions are answered here.

    Attributes
    ----------
    path
        Of the route; log and figures find it where the framework's routes have theirs.
    body
        Model of its body.
    question
        What a body asks.
    """

    path: str
    body: type[BaseModel]
    question: Callable[[Any], Question]


class QuickPath:
    """ASGI middleware, the innermost one.

    Parameters
    ----------
    plain
        Routes by their path.
    """

    def __init__(self, app: ASGIApp, service: Service, plain: Mapping[str, Plain]) -> None:
        self.app = app
        self._service = service
        self._plain = plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain question, else hand the request on."""
        plain = self._plain.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if plain is None or CONTENT_TYPE not in scope["headers"] or not _may_ask(scope):
            await self.app(scope, receive, send)
            return
        arrived = _Arrived(receive)
        body = await arrived.whole()
        answer = None if body is None else self._answer(plain, body, scope["state"])
        if answer is None:
            await self.app(scope, arrived.again, send)
            return
        scope["route"] = plain
        length = (b"content-length", str(len(answer)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length, CONTENT_TYPE]})
        await send({"type": "http.response.body", "body": answer})

    def _answer(self, plain: Plain, body: bytes, state: Mapping[str, Any]) -> bytes | None:
        """Answer that is in memory, recorded; None where the framework has to see the request."""
        if len(body) > MOST_BYTES:
            return None
        try:
            question = plain.question(plain.body.model_validate_json(body))
            return reply_at_hand(self._service, question, state["caller"], state["request_id"])
        except (AftercastError, ValueError):
            return None


def _may_ask(scope: Scope) -> bool:
    caller: Caller = scope["state"]["caller"]
    return caller.allows(SCOPE)


class _Arrived:
    """What arrived of a request, to be received again by whoever comes next."""

    def __init__(self, way: Receive) -> None:
        self._way = way
        self._messages: list[Message] = []
        self._error: Exception | None = None

    async def whole(self) -> bytes | None:
        """Body; None where it was refused on its way, or the caller left."""
        more = True
        while more:
            try:
                message = await self._way()
            except AftercastError as error:
                self._error = error
                return None
            self._messages.append(message)
            if message["type"] != "http.request":
                return None
            more = message.get("more_body", False)
        return b"".join(message.get("body", b"") for message in self._messages)

    async def again(self) -> Message:
        """Next message, those that were received already first."""
        if self._messages:
            return self._messages.pop(0)
        if self._error is not None:
            raise self._error
        return await self._way()
