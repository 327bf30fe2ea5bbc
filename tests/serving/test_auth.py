"""Who may ask: every route refuses a call without a key that works, but for the two probes."""

from __future__ import annotations

import asyncio
import base64
import logging
import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pandas as pd
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import Engine, create_engine, event
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from aftercast.data.workspace import Workspace
from aftercast.operations.database.engine import open_database
from aftercast.operations.database.keys import create_key, revoke_key
from aftercast.serving import principals
from aftercast.serving.app import create_app
from aftercast.serving.auth import Authentication
from aftercast.serving.error_handling import ErrorHandling
from aftercast.serving.errors import ProblemError
from aftercast.serving.principals import GRACE_S, KEPT_S, MOST_KEPT, REFUSED_S, RETRY_S, Caller, Callers, Verified

OPEN = {"/health", "/ready"}


def _routes(workspace: Workspace) -> Iterator[tuple[str, str]]:
    for found in iter_route_contexts(create_app(workspace).routes):
        for method in sorted(found.methods or ()):
            yield method, str(found.path)


def _filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "D1", path)


def test_every_route_but_the_probes_answers_401_without_a_key(
    stranger: httpx.Client, bare_workspace: Workspace
) -> None:
    routes = list(_routes(bare_workspace))
    answers = {(method, path): stranger.request(method, _filled(path)).status_code for method, path in routes}
    assert {path for _, path in routes} >= OPEN | {"/openapi.json", "/v1/failure-risk", "/v1/model"}
    assert {where for where, status in answers.items() if status != 401} == {("GET", path) for path in OPEN}


@pytest.mark.parametrize("path", ["/", "/nowhere", "/docs", "/redoc", "/health/", "/ready/../v1/model", "//health"])
def test_a_path_that_does_not_exist_is_closed_too(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 401


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "DELETE", "TRACE"])
def test_other_methods_are_closed_too(stranger: httpx.Client, method: str) -> None:
    assert stranger.request(method, "/v1/failure-risk").status_code == 401


def test_a_key_opens_as_header_and_as_bearer(stranger: httpx.Client, bare_workspace: Workspace) -> None:
    _, key = create_key(bare_workspace.database, "both")
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"bearer {key}"}):
        assert stranger.get("/openapi.json", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": ""},
        {"X-API-Key": "ac_"},
        {"X-API-Key": "ac_00000000_" + "0" * 64},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"X-API-Key": "' OR 1=1 --"},
    ],
)
def test_what_is_not_a_key_is_refused_with_the_scheme_to_use(stranger: httpx.Client, headers: dict[str, str]) -> None:
    answer = stranger.get("/v1/model", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unauthenticated"


def test_a_revoked_key_is_refused_when_it_is_looked_up_again(
    stranger: httpx.Client, bare_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(principals, "KEPT_S", 0.0)
    key_id, key = create_key(bare_workspace.database, "leaver")
    headers = {"X-API-Key": key}
    before = stranger.get("/openapi.json", headers=headers).status_code
    revoke_key(bare_workspace.database, key_id)
    assert (before, stranger.get("/openapi.json", headers=headers).status_code) == (200, 401)


def test_a_revoked_key_that_nobody_used_is_refused_at_once(stranger: httpx.Client, bare_workspace: Workspace) -> None:
    key_id, key = create_key(bare_workspace.database, "early leaver")
    revoke_key(bare_workspace.database, key_id)
    assert stranger.get("/openapi.json", headers={"X-API-Key": key}).status_code == 401


def _basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()}


def test_a_browser_may_bring_the_key_as_password_to_the_documentation_alone(
    stranger: httpx.Client, bare_workspace: Workspace
) -> None:
    _, key = create_key(bare_workspace.database, "reader of pages", ["admin"])
    opened = stranger.get("/openapi.json", headers=_basic(key)).status_code
    page = stranger.get("/docs", headers=_basic(key)).status_code
    closed = [
        stranger.get("/v1/model", headers=_basic(key)).status_code,
        stranger.get("/docsandmore", headers=_basic(key)).status_code,
        stranger.get("/openapi.json/more", headers=_basic(key)).status_code,
        stranger.post("/openapi.json", headers=_basic(key)).status_code,
        stranger.get("/openapi.json", headers=_basic("ac_00000000_" + "0" * 64)).status_code,
    ]
    assert (opened, page, closed) == (200, 200, [401] * 5)


@pytest.mark.parametrize("credentials", ["?", "YTpi", "/w==", "w6k="])
def test_a_broken_password_is_refused(stranger: httpx.Client, credentials: str) -> None:
    answer = stranger.get("/openapi.json", headers={"Authorization": f"Basic {credentials}"})
    assert answer.status_code == 401


def test_only_the_documentation_asks_a_browser_for_a_password(stranger: httpx.Client) -> None:
    page, model = stranger.get("/docs"), stranger.get("/v1/model")
    others = [stranger.get(path) for path in ("/", "/docsandmore", "/v1/risk-lists/1", "/metrics", "/v1/devices/docs")]
    assert page.headers.get_list("WWW-Authenticate") == ['Bearer realm="aftercast"', 'Basic realm="aftercast"']
    assert model.headers.get_list("WWW-Authenticate") == ['Bearer realm="aftercast"']
    assert [other.headers["WWW-Authenticate"] for other in others] == ['Bearer realm="aftercast"'] * len(others)


def test_the_header_of_the_service_goes_before_authorization(stranger: httpx.Client, bare_workspace: Workspace) -> None:
    _, key = create_key(bare_workspace.database, "both at once")
    wrong = "ac_00000000_" + "0" * 64
    first = stranger.get("/openapi.json", headers={"X-API-Key": key, "Authorization": f"Bearer {wrong}"})
    second = stranger.get("/openapi.json", headers={"X-API-Key": wrong, "Authorization": f"Bearer {key}"})
    assert (first.status_code, second.status_code) == (200, 401)


def test_the_key_is_checked_before_the_body_is_looked_at(stranger: httpx.Client) -> None:
    assert stranger.post("/v1/failure-risk", content=b"{not json").status_code == 401


def test_a_key_without_the_scope_is_refused_and_told_which(
    bare_url: str, bare_workspace: Workspace, client_of: Callable[..., httpx.Client]
) -> None:
    body = {"devices": [{"device_id": "D1"}]}
    with (
        client_of(bare_url, bare_workspace, "lists") as reader,
        client_of(bare_url, bare_workspace, "predict") as asker,
    ):
        refused = [reader.post("/v1/failure-risk", json=body), asker.post("/v1/risk-lists", json={})]
    assert [answer.status_code for answer in refused] == [403, 403]
    assert "'predict'" in refused[0].json()["detail"]
    assert "'lists'" in refused[1].json()["detail"]


def test_every_route_that_needs_a_key_needs_a_scope(bare_workspace: Workspace) -> None:
    app = create_app(bare_workspace)
    without = [
        found.path
        for found in iter_route_contexts(app.routes)
        if isinstance(found.original_route, APIRoute) and not _scopes(found.original_route)
    ]
    assert set(without) == OPEN | {"/docs", "/docs/oauth2-redirect"}  # a key of any scope reads what the interface is


def _scopes(route: APIRoute) -> list[str]:
    return [scope for needed in route.dependant.dependencies for scope in (needed.own_oauth_scopes or [])]


@dataclass
class Keys:
    """A database of keys that can go away and come back, a clock, and how often the database was asked."""

    there: Engine
    away: Engine
    now: float = 1000.0
    reachable: bool = True
    asked: list[str] = field(default_factory=list)

    def engine(self) -> Engine:
        """Return the database as it is just now."""
        return self.there if self.reachable else self.away


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    there = open_database("sqlite:///keys.db", tmp_path)
    found = Keys(there, create_engine(f"sqlite:///{tmp_path}/gone/keys.db"))
    event.listen(there, "before_cursor_execute", lambda _c, _u, statement, *_: found.asked.append(statement))
    yield found
    there.dispose()
    found.away.dispose()


def _callers(keys: Keys) -> Callers:
    return Callers(keys.engine, clock=lambda: keys.now)


def test_a_caller_is_what_the_key_says(keys: Keys) -> None:
    key_id, key = create_key(keys.there, "north", ["lists"], outlets=["N1"], rate_limit="5/minute")
    assert _callers(keys).find(key) == Caller(key_id, "north", ("lists",), frozenset({"N1"}), "5/minute", "key")


def test_whoever_has_no_outlets_sees_all_and_others_only_theirs() -> None:
    everyone = Caller("1", "a", (), None, None, "key")
    northern = Caller("2", "b", (), frozenset({"N1"}), None, "key")
    nobody = Caller("3", "c", ("admin",), frozenset(), None, "key")
    seen = [[caller.sees_outlet(each) for each in ("N1", "S1", None)] for caller in (everyone, northern, nobody)]
    assert seen == [[True, True, True], [True, False, False], [False, False, False]]


def test_a_known_key_costs_no_sql_for_a_second(keys: Keys) -> None:
    _, key = create_key(keys.there, "busy")
    callers = _callers(keys)
    callers.find(key)
    keys.asked.clear()
    found = [callers.cached(key), callers.find(key)]
    assert (len(found), None in found, keys.asked) == (2, False, [])
    keys.now += KEPT_S
    assert callers.cached(key) is None
    callers.find(key)
    assert len(keys.asked) == 2  # whether it is genuine, which costs a wrong key as much, and then its row


def test_a_key_that_expires_is_not_found_in_memory_either(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    expires_at = pd.Timestamp.now("UTC").ceil("s") + pd.Timedelta(hours=1)
    _, key = create_key(keys.there, "visitor", expires_at=expires_at)
    callers = _callers(keys)
    assert callers.find(key) is not None
    monkeypatch.setattr(time, "time", lambda: expires_at.timestamp() - 1)
    assert callers.cached(key) is not None
    monkeypatch.setattr(time, "time", expires_at.timestamp)
    assert callers.cached(key) is None


def test_memory_holds_neither_keys_nor_more_callers_than_it_may(keys: Keys) -> None:
    callers = _callers(keys)
    made = [create_key(keys.there, "many")[1] for _ in range(3)]
    for key in made:
        callers.find(key)
    assert made[0].split("_")[2] not in repr(vars(callers))
    fill = Callers(keys.engine, lambda token: None if token == "no" else _token(token), clock=lambda: keys.now)
    fill.find(made[0])
    for number in range(MOST_KEPT - 1):
        fill.find(f"token {number}")
    assert fill.cached(made[0]) is not None
    fill.find("one more token")
    assert (fill.cached(made[0]), fill.cached("one more token") is not None) == (None, True)


def _token(subject: str) -> Verified:
    return Verified(Caller(f"token:{subject}", subject, (), None, None, "token"), math.inf)


def test_a_key_in_use_goes_on_working_while_the_database_is_away(
    keys: Keys, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("aftercast.serving"), "propagate", True)
    _, key = create_key(keys.there, "ticketing")
    _, other = create_key(keys.there, "never seen")
    callers = _callers(keys)
    callers.find(key)
    keys.reachable = False
    for _ in range(3):
        keys.now += RETRY_S + KEPT_S
        assert callers.find(key) is not None
    with pytest.raises(ProblemError) as refused:
        callers.find(other)
    assert refused.value.problem.type == "/problems/keys-unavailable"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    keys.reachable = True
    keys.now += RETRY_S
    assert callers.find(other) is not None


def test_grace_ends_some_minutes_after_the_key_was_last_verified(keys: Keys) -> None:
    _, key = create_key(keys.there, "ticketing")
    callers = _callers(keys)
    callers.find(key)
    keys.reachable = False
    keys.now += GRACE_S - 0.1
    assert callers.find(key) is not None
    keys.now += 0.1
    with pytest.raises(ProblemError):
        callers.find(key)


def test_grace_does_not_revive_a_key_that_was_seen_revoked(keys: Keys) -> None:
    key_id, key = create_key(keys.there, "leaver")
    callers = _callers(keys)
    callers.find(key)
    revoke_key(keys.there, key_id)
    keys.now += KEPT_S
    assert callers.find(key) is None
    keys.reachable = False
    keys.now += REFUSED_S
    with pytest.raises(ProblemError):
        callers.find(key)


def test_the_database_is_not_asked_again_at_once_after_it_was_away(keys: Keys) -> None:
    _, key = create_key(keys.there, "ticketing")
    callers = _callers(keys)
    callers.find(key)
    keys.now += KEPT_S
    keys.reachable = False
    callers.find(key)
    keys.reachable = True
    keys.asked.clear()
    keys.now += RETRY_S / 2
    assert (callers.find(key) is not None, keys.asked) == (True, [])


def test_what_is_too_long_to_be_a_key_is_not_looked_up(keys: Keys) -> None:
    assert _callers(keys).find("ac_" + "0" * 10_000) is None
    assert keys.asked == []


@pytest.mark.parametrize(
    "presented",
    ["ac_", "ac_0\x00_0", f"ac_00000000_{'0' * 63}\x00", f"ac_0000000\x00_{'0' * 64}", f"ac_٠0000000_{'0' * 64}"],
)
def test_what_does_not_read_as_a_key_is_not_looked_up_even_while_the_database_is_away(
    keys: Keys, presented: str
) -> None:
    assert _callers(keys).find(presented) is None
    keys.reachable = False
    assert _callers(keys).find(presented) is None
    assert keys.asked == []


def test_a_wrong_key_is_not_looked_up_again_for_a_moment(keys: Keys) -> None:
    wrong = "ac_00000000_" + "0" * 64
    callers = _callers(keys)
    found = [callers.find(wrong), callers.find(wrong)]
    assert (found, len(keys.asked), callers.refused(wrong)) == ([None, None], 1, True)
    keys.now += REFUSED_S
    assert (callers.refused(wrong), callers.find(wrong), len(keys.asked)) == (False, None, 2)


def test_memory_holds_no_more_wrong_keys_than_it_may(keys: Keys) -> None:
    callers = _callers(keys)
    wrong = [f"ac_{number:08x}_" + "0" * 64 for number in range(MOST_KEPT + 1)]
    for each in wrong:
        callers.find(each)
    assert (callers.refused(wrong[0]), callers.refused(wrong[1]), callers.refused(wrong[-1])) == (False, True, True)


def test_a_caller_is_told_that_keys_cannot_be_checked_and_when_to_ask_again(keys: Keys) -> None:
    async def hello(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(Request(scope).state.caller.name)(scope, receive, send)

    async def ask(key: str) -> httpx.Response:
        transport = httpx.ASGITransport(ErrorHandling(Authentication(hello, keys.engine)))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get("/v1/model", headers={"X-API-Key": key})

    _, key = create_key(keys.there, "ticketing")
    assert asyncio.run(ask(key)).text == "ticketing"
    keys.reachable = False
    answer = asyncio.run(ask(key))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["type"] == "/problems/keys-unavailable"
