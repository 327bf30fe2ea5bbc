"""How often a caller may ask: each has its own count, is told what remains, and a lost counter stops nobody."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from limits import parse
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.data.workspace import Workspace
from aftercast.operations.database.engine import open_database
from aftercast.operations.database.keys import create_key
from aftercast.operations.errors import SettingsError
from aftercast.serving.auth import Authentication
from aftercast.serving.principals import Caller
from aftercast.serving.rate_limit import RateLimit

Listening = Callable[[Workspace], AbstractContextManager[str]]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database("sqlite:///keys.db", tmp_path)
    yield opened
    opened.dispose()


def _app(engine: Engine, default: str, address: str = "memory://") -> Starlette:
    async def hello(_: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    return Starlette(
        routes=[Route("/v1/hello", hello), Route("/health", hello)],
        middleware=[
            Middleware(Authentication, database=lambda: engine),
            Middleware(RateLimit, default=default, address=address),
        ],
    )


Ask = Callable[[str | None], Awaitable[httpx.Response]]


def _asking(app: Starlette, *work: Callable[[Ask], Awaitable[None]]) -> None:
    """Let work ask an application that runs from its start to its end."""

    async def run() -> None:
        begun, ending, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def receive() -> Message:
            if begun.is_set():
                await ending.wait()
                return {"type": "lifespan.shutdown"}
            begun.set()
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                ended.set()

        life = asyncio.create_task(app({"type": "lifespan", "state": {}}, receive, send))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:

            async def ask(key: str | None) -> httpx.Response:
                path, headers = ("/health", {}) if key is None else ("/v1/hello", {"X-API-Key": key})
                return await client.get(path, headers=headers)

            for each in work:
                await each(ask)
        ending.set()
        await ended.wait()
        await life

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
    assert 58 <= wait_s <= 60
    assert answers[2].headers["RateLimit"] == f'"caller";r=0;t={wait_s}'
    assert answers[2].headers["Content-Type"] == "application/problem+json"
    assert answers[2].json()["type"] == "urn:aftercast:problem:rate-limited"
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


def test_the_limit_counts_again_when_its_window_is_over(engine: Engine) -> None:
    _, key = create_key(engine, "patient")
    found: list[int] = []

    async def work(ask: Ask) -> None:
        found.extend([(await ask(key)).status_code for _ in range(2)])
        await asyncio.sleep(1.05)
        found.append((await ask(key)).status_code)

    _asking(_app(engine, "1/second"), work)
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


@pytest.mark.parametrize(
    ("default", "address"),
    [
        ("often", "memory://"),
        ("0/minute", "memory://"),
        ("1/minute", "nowhere"),
        ("1/minute", "mongodb://h"),
        ("1/minute", "redis://127.0.0.1:no"),
    ],
)
def test_settings_that_are_not_understood_are_refused(default: str, address: str) -> None:
    with pytest.raises(SettingsError):
        RateLimit(PlainTextResponse("hello"), default, address)


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("aftercast.serving"), "propagate", True)
    return caplog


def _warnings(said: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in said.records if record.levelname == "WARNING"]


def test_while_the_counter_is_away_everyone_passes_and_one_warning_is_logged(
    engine: Engine, said: pytest.LogCaptureFixture
) -> None:
    _, key = create_key(engine, "busy")
    answers = _answers(_app(engine, "1/minute", f"redis://127.0.0.1:{_free_port()}"), key, key, key)
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "RateLimit" not in answers[0].headers
    assert len(_warnings(said)) == 1


def test_of_a_counter_that_does_not_answer_only_one_request_waits(
    engine: Engine, said: pytest.LogCaptureFixture
) -> None:
    _, key = create_key(engine, "busy")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        app = _app(engine, "1/minute", f"redis://127.0.0.1:{silent.getsockname()[1]}")
        statuses = _statuses(app, *[key] * 10)
        waited = _connections(silent)
    assert statuses == [200] * 10
    assert waited == 1
    assert _warnings(said) == ["requests cannot be counted, all pass: TimeoutError"]


def _connections(server: socket.socket) -> int:
    """How many connections wait to be accepted."""
    server.setblocking(False)
    count = 0
    with ExitStack() as opened:
        while True:
            try:
                connection, _ = server.accept()
            except BlockingIOError:
                return count
            opened.enter_context(connection)
            count += 1


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[str]:
    """Address of a Redis server of this test's own."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("there is no Redis server on this machine")
    port = _free_port()
    words = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as server:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}"
        server.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, "the Redis server did not start"
            time.sleep(0.02)
        else:
            return


def test_processes_that_share_a_counter_count_together(engine: Engine, redis: str) -> None:
    _, key = create_key(engine, "busy")
    first = _answers(_app(engine, "3/minute", redis), key, key)
    second = _answers(_app(engine, "3/minute", redis), key, key)
    assert [answer.status_code for answer in [*first, *second]] == [200, 200, 200, 429]
    assert second[0].headers["RateLimit"] == '"caller";r=0'
    assert 55 <= int(second[1].headers["Retry-After"]) <= 60


async def _nothing(_: Scope, __: Receive, ___: Send) -> None:
    pass


def test_the_counter_that_comes_back_counts_again(
    said: pytest.LogCaptureFixture, redis: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said.set_level(logging.INFO, logger="aftercast.serving")
    monkeypatch.setattr("aftercast.serving.rate_limit.AWAY_S", 0.0)
    app: ASGIApp = _nothing
    limited = RateLimit(app, "1/minute", redis)
    caller, rate = Caller("1", "a", (), None, None, "key"), parse("1/minute")

    async def work() -> list[int | None]:
        working = limited.storage
        limited.storage = RateLimit(app, "1/minute", f"redis://127.0.0.1:{_free_port()}").storage
        away = await limited._count(caller, rate)
        limited.storage = working
        back = [await limited._count(caller, rate) for _ in range(2)]
        await limited._live({"type": "lifespan"}, _never, _ignore)
        return [away, *back]

    assert asyncio.run(work()) == [None, 1, 2]
    assert said.records[-1].getMessage() == "requests are counted again"


async def _never() -> Message:
    raise AssertionError("nothing is to be read")


async def _ignore(_: Message) -> None:
    pass


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
