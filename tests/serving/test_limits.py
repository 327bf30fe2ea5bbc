"""What one request may take: a slow body, a late answer and a request too many each have their refusal."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx
import pytest
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from starlette.middleware import Middleware
from starlette.types import Message

from aftercast.serving.error_handling import ErrorHandling, install
from aftercast.serving.limits import BodyLimit, InFlightLimit, TimeLimit

LIMIT_BYTES = 1000


class Waiting:
    """An application whose requests to /wait end when they are told to."""

    def __init__(self, *, within_s: float = 60.0, in_flight: int = 2, body_s: float = 60.0) -> None:
        self.begun = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()
        self.computed = threading.Event()
        self.threads = CapacityLimiter(1)
        self.app = FastAPI(
            middleware=[
                Middleware(ErrorHandling),
                Middleware(TimeLimit, within_s=within_s),
                Middleware(InFlightLimit, most=in_flight),
                Middleware(BodyLimit, limit=LIMIT_BYTES, within_s=body_s),
            ]
        )
        install(self.app)

        @self.app.get("/wait")
        async def wait() -> dict[str, bool]:
            self.begun.release()
            await self.go_on.wait()
            return {"waited": True}

        @self.app.get("/compute")
        async def compute() -> dict[str, bool]:
            await to_thread.run_sync(self.computed.wait, limiter=self.threads)
            return {"computed": True}

        @self.app.get("/ready")
        async def ready() -> dict[str, bool]:
            return {"ready": True}

        @self.app.post("/read")
        async def read(request: Request) -> dict[str, int]:
            return {"bytes": len(await request.body())}

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://service")


def _said(answered: httpx.Response) -> tuple[int, str]:
    return answered.status_code, answered.json()["type"].removeprefix("/problems/")


def test_one_request_too_many_is_refused_at_once_and_those_before_it_are_answered() -> None:
    async def run() -> None:
        waiting = Waiting(in_flight=2)
        async with waiting.client() as client:
            first = [asyncio.create_task(client.get("/wait")) for _ in range(2)]
            for _ in first:
                await waiting.begun.acquire()
            refused, probed = await client.get("/wait"), await client.get("/ready")
            waiting.go_on.set()
            answered = await asyncio.gather(*first)
            after = await client.get("/wait")
        assert _said(refused) == (503, "busy")
        assert refused.headers["Retry-After"] == "1"
        assert [each.status_code for each in (probed, *answered, after)] == [200, 200, 200, 200]

    asyncio.run(run())


def test_an_answer_that_takes_too_long_is_given_up_and_its_place_is_free_again() -> None:
    async def run() -> None:
        waiting = Waiting(within_s=0.05, in_flight=1)
        async with waiting.client() as client:
            late = [await client.get("/wait") for _ in range(2)]
        assert [_said(each) for each in late] == [(503, "took-too-long")] * 2

    asyncio.run(run())


def test_a_thread_that_goes_on_after_its_time_keeps_its_places() -> None:
    async def run() -> None:
        waiting = Waiting(within_s=0.05, in_flight=1)
        async with waiting.client() as client:
            late, refused = await client.get("/compute"), await client.get("/wait")
            still = waiting.threads.borrowed_tokens
            waiting.computed.set()
            while waiting.threads.borrowed_tokens:
                await asyncio.sleep(0)
            waiting.go_on.set()
        assert (_said(late), _said(refused), still) == ((503, "took-too-long"), (503, "busy"), 1)

    asyncio.run(run())


async def _post(waiting: Waiting, messages: list[Message], *, then_hang: bool) -> tuple[int, bytes]:
    """Status and body of a post whose body arrives in these messages."""
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(3600 if then_hang else 0)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/read", "headers": [], "query_string": b""}
    scope |= {"asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "server": ("service", 80)}
    await waiting.app(scope, receive, send)
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent)


def _part(content: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


def test_a_body_that_stops_arriving_is_refused() -> None:
    async def run() -> None:
        status, said = await _post(Waiting(body_s=0.05), [_part(b"half", more=True)], then_hang=True)
        assert (status, b"body-too-slow" in said) == (408, True)

    asyncio.run(run())


@pytest.mark.parametrize(("parts", "status"), [(10, 200), (11, 413)])
def test_a_body_in_pieces_is_refused_once_it_is_too_large_though_it_announced_nothing(parts: int, status: int) -> None:
    async def run() -> None:
        pieces = [_part(b"x" * (LIMIT_BYTES // 10), more=True) for _ in range(parts)]
        found, said = await _post(Waiting(), [*pieces, _part(b"", more=False)], then_hang=False)
        assert found == status
        assert (b"body-too-large" in said) == (status == 413)

    asyncio.run(run())


def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    async def run() -> None:
        async with Waiting().client() as client:
            refused = await client.post("/read", content=b"x" * (LIMIT_BYTES + 1))
            taken = await client.post("/read", content=b"x" * LIMIT_BYTES)
        assert _said(refused) == (413, "body-too-large")
        assert taken.json() == {"bytes": LIMIT_BYTES}

    asyncio.run(run())
