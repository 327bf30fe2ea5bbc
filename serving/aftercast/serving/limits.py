"""What one request may take: bytes, time for its body, time for its answer, and a place among those in flight."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from anyio import CancelScope
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.serving.auth import OPEN_PATHS
from aftercast.serving.errors import LOG
from aftercast.serving.problems import BODY_TOO_LARGE, BODY_TOO_SLOW, BUSY, TOOK_TOO_LONG

CLOSE: Final = ("Connection", "close")


class BodyLimit:
    """ASGI middleware that refuses a body above ``limit`` bytes, announced or not, or slower than ``within_s``."""

    def __init__(self, app: ASGIApp, limit: int, within_s: float) -> None:
        self.app = app
        self.limit = limit
        self.within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a body that is too large, else hand the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self.limit:
            raise BODY_TOO_LARGE.error(limit=self.limit)
        await self.app(scope, _Body(receive, self.limit, self.within_s).receive, send)


class _Body:
    """A body as it arrives: counted, and timed until its end."""

    def __init__(self, way: Receive, limit: int, within_s: float) -> None:
        self.way = way
        self.limit = limit
        self.seen = 0
        self.left_s = within_s
        self.ended = False

    async def receive(self) -> Message:
        """Next part; stops once too much came in, or too slowly."""
        if self.ended:
            return await self.way()
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.left_s):
                message = await self.way()
        except TimeoutError as error:
            raise BODY_TOO_SLOW.error(headers=[CLOSE]) from error
        self.left_s -= asyncio.get_running_loop().time() - began
        self.seen += len(message.get("body", b""))
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)
        if self.seen > self.limit:
            raise BODY_TOO_LARGE.error(limit=self.limit)
        return message


class TimeLimit:
    """ASGI middleware that answers 503 for a request that takes longer than ``within_s``; the probes have no limit.

    Such a request is cancelled, but a thread that computes for it cannot be: it goes on, and until it ends the request
    keeps whatever place it holds (see :class:`InFlightLimit`), so that no more threads run than may.
    """

    def __init__(self, app: ASGIApp, within_s: float) -> None:
        self.app = app
        self.within_s = within_s
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on for as long as it may take."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        cancelling = CancelScope()  # unlike a task's own cancel() it waits for the threads of the request

        async def answered() -> None:
            with cancelling:
                await self.app(scope, receive, answer.send)

        task = asyncio.create_task(answered())
        try:
            await asyncio.wait({task}, timeout=self.within_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            task.result()
            return
        self._give_up(task, cancelling)
        answer.over = True
        raise TOOK_TOO_LONG.error(within_s=self.within_s)

    def _give_up(self, task: asyncio.Task[None], cancelling: CancelScope) -> None:
        cancelling.cancel()
        self._late.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOG.error("a request failed after its time was over", exc_info=task.exception())


@dataclass
class _Answer:
    """The way back to the caller, until another answer has taken it."""

    way: Send
    over: bool = False

    async def send(self, message: Message) -> None:
        """Send on."""
        if not self.over:
            await self.way(message)


class InFlightLimit:
    """ASGI middleware that refuses a request while ``most`` are being answered; the probes have no limit.

    It stands behind authentication: only callers who may ask take a place.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on if there is a place."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return
        if self.in_flight >= self.most:
            raise BUSY.error()
        self.in_flight += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight -= 1
