"""How often a caller may ask: each has its own count, and is told what remains."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aftercast.data.workspace import Workspace
from aftercast.operations.database.engine import open_database
from aftercast.operations.database.keys import create_key
from aftercast.operations.errors import SettingsError
from aftercast.serving.auth import Authentication
from aftercast.serving.error_handling import ErrorHandling
from aftercast.serving.rate_limit import RateLimit

Listening = Callable[[Workspace], AbstractContextManager[str]]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database("sqlite:///keys.db", tmp_path)
    yield opened
    opened.dispose()


def _app(engine: Engine, default: str) -> Starlette:
    async def hello(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    return Starlette(
        routes=[Route("/v1/hello", hello), Route("/health", hello)],
        middleware=[
            Middleware(ErrorHandling),
            Middleware(Authentication, database=lambda: engine),
            Middleware(RateLimit, default=default),
        ],
    )


Ask = Callable[[str | None], Awaitable[httpx.Response]]


def _asking(app: Starlette, work: Callable[[Ask], Awaitable[None]]) -> None:
    """Let work ask an application."""

    async def run() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:

            async def ask(key: str | None) -> httpx.Response:
                path, headers = ("/health", {}) if key is None else ("/v1/hello", {"X-API-Key": key})
                return await client.get(path, headers=headers)

            await work(ask)

    asyncio.run(run())


def _answers(app: Starlette, *keys: str | None) -> list[httpx.Response]:
    found: list[httpx.Response] = []

    async def work(ask: Ask) -> None:
        found.extend([await ask(key) for key in keys])

    _asking(app, work)
    return found


def _statuses(app: Starlette, *keys: str | None) -> list[int]:
    return [answer.status_code for answer in _answers(app, *keys)]


def test_a_caller_is_told_what_remains_and_then_when_to_come_back(engine: Engine) -> None:
    _, key = create_key(engine, "busy")
    answers = _answers(_app(engine, "2/minute"), key, key, key)
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"caller";q=2;w=60'}
    assert [answer.headers["RateLimit"] for answer in answers[:2]] == ['"caller";r=1', '"caller";r=0']
    wait_s = int(answers[2].headers["Retry-After"])
    assert 1 <= wait_s <= 60
    assert answers[2].headers["RateLimit"] == f'"caller";r=0;t={wait_s}'
    assert answers[2].headers["Content-Type"] == "application/problem+json"
    assert answers[2].json()["type"] == "/problems/rate-limited"
    assert f"{wait_s} seconds" in answers[2].json()["hint"]


def test_one_caller_does_not_use_up_the_limit_of_another(engine: Engine) -> None:
    first, second = create_key(engine, "same name")[1], create_key(engine, "same name")[1]
    assert _statuses(_app(engine, "1/minute"), first, first, second) == [200, 429, 200]


def test_a_key_may_have_its_own_limit_larger_or_smaller(engine: Engine) -> None:
    _, large = create_key(engine, "large", rate_limit="3/minute")
    _, small = create_key(engine, "small", rate_limit="1/minute")
    assert _statuses(_app(engine, "2/minute"), *[large] * 4, small, small) == [200, 200, 200, 429, 200, 429]


def test_without_a_default_only_keys_with_their_own_limit_are_counted(engine: Engine) -> None:
    _, free = create_key(engine, "free")
    _, small = create_key(engine, "small", rate_limit="1/minute")
    answers = _answers(_app(engine, ""), free, free, small, small)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert "RateLimit" not in answers[0].headers


def test_the_limit_counts_again_when_its_window_is_over(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    _, key = create_key(engine, "patient")
    found: list[int] = []
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)

    async def work(ask: Ask) -> None:
        nonlocal now
        found.extend([(await ask(key)).status_code for _ in range(2)])
        now += 61
        found.append((await ask(key)).status_code)

    _asking(_app(engine, "1/minute"), work)
    assert found == [200, 429, 200]


def test_requests_at_the_same_time_are_counted_each(engine: Engine) -> None:
    _, key = create_key(engine, "busy")
    found: list[int] = []

    async def work(ask: Ask) -> None:
        found.extend(answer.status_code for answer in await asyncio.gather(*[ask(key) for _ in range(20)]))

    _asking(_app(engine, "7/minute"), work)
    assert (found.count(200), found.count(429)) == (7, 13)


def test_probes_are_not_counted(engine: Engine) -> None:
    answers = _answers(_app(engine, "1/minute"), None, None, None)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "RateLimit" not in answers[0].headers


def test_who_has_no_key_uses_up_nobodys_limit(engine: Engine) -> None:
    key_id, key = create_key(engine, "victim")
    wrong = f"ac_{key_id}_{'0' * 64}"
    assert _statuses(_app(engine, "1/minute"), wrong, wrong, key) == [401, 401, 200]


@pytest.mark.parametrize("default", ["often", "0/minute"])
def test_limits_that_are_not_understood_are_refused(default: str) -> None:
    with pytest.raises(SettingsError):
        RateLimit(PlainTextResponse("hello"), default)


def test_the_service_limits_the_keys_of_its_workspace(bare_workspace: Workspace, listening: Listening) -> None:
    serving = bare_workspace.settings.serving.model_copy(update={"rate_limit": "2/minute"})
    workspace = replace(bare_workspace, settings=bare_workspace.settings.model_copy(update={"serving": serving}))
    _, key = create_key(workspace.database, "busy")
    with (
        listening(workspace) as url,
        httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60) as client,
    ):
        statuses = [client.get("/openapi.json").status_code for _ in range(3)]
        probes = [client.get("/health").status_code for _ in range(5)]
    workspace.database.dispose()
    assert (statuses, probes) == ([200, 200, 429], [200] * 5)
