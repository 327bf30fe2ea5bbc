"""Who may ask: every route refuses a call without a key that works, but for the two probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pandas as pd
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from aftercast.data.records.keys import create_key, revoke_key
from aftercast.data.workspace import Workspace
from aftercast.serving.app import create_app

OPEN = {"/health", "/ready"}


def _routes(workspace: Workspace) -> Iterator[tuple[str, str]]:
    for found in iter_route_contexts(create_app(workspace).routes):
        for method in sorted(found.methods or ()):
            yield method, str(found.path)


def test_every_route_but_the_probes_answers_401_without_a_key(
    stranger: httpx.Client, bare_workspace: Workspace
) -> None:
    routes = list(_routes(bare_workspace))
    answers = {
        (method, path): stranger.request(method, path.replace("{device_id}", "D1")).status_code
        for method, path in routes
    }
    assert {path for _, path in routes} >= OPEN | {"/openapi.json", "/v1/failure-risk", "/v1/devices/{device_id}"}
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
    assert answer.json()["type"] == "urn:aftercast:problem:unauthenticated"


def test_a_revoked_key_is_refused_from_the_next_request_on(stranger: httpx.Client, bare_workspace: Workspace) -> None:
    key_id, key = create_key(bare_workspace.database, "leaver")
    headers = {"X-API-Key": key}
    before = stranger.get("/openapi.json", headers=headers).status_code
    revoke_key(bare_workspace.database, key_id)
    assert (before, stranger.get("/openapi.json", headers=headers).status_code) == (200, 401)


def test_a_key_expires(stranger: httpx.Client, bare_workspace: Workspace) -> None:
    soon = pd.Timestamp.now("UTC") + pd.Timedelta(milliseconds=300)
    _, key = create_key(bare_workspace.database, "visitor", expires_at=soon)
    answers: list[int] = []
    while pd.Timestamp.now("UTC") < soon + pd.Timedelta(milliseconds=50):
        answers.append(stranger.get("/openapi.json", headers={"X-API-Key": key}).status_code)
    assert (answers[0], answers[-1]) == (200, 401)


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
        refused = [reader.post("/v1/failure-risk", json=body), asker.get("/v1/risk-list")]
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
    assert set(without) == OPEN


def _scopes(route: APIRoute) -> list[str]:
    return [scope for needed in route.dependant.dependencies for scope in (needed.own_oauth_scopes or [])]
