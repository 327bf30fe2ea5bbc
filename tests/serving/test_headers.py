"""Headers of every answer, HEAD beside GET, and which key counts where a request carries several."""

from __future__ import annotations

import httpx
import pytest

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/model", "/openapi.json", "/docs", "/metrics", "/nowhere"])
def test_no_answer_is_for_a_cache_and_none_is_guessed(bare_client: httpx.Client, path: str) -> None:
    answer = bare_client.get(path)
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/model", "/openapi.json", "/docs", "/nowhere"])
def test_head_is_answered_as_get_without_the_body(bare_client: httpx.Client, path: str) -> None:
    got, head = bare_client.get(path), bare_client.head(path)
    assert (head.status_code, head.headers["Content-Type"], head.content) == (
        got.status_code,
        got.headers["Content-Type"],
        b"",
    )
    assert got.content


def test_head_of_a_path_that_only_takes_post_is_refused(bare_client: httpx.Client) -> None:
    answer = bare_client.head("/v1/failure-risk")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_an_empty_key_header_leaves_the_bearer_its_say(stranger: httpx.Client, bare_workspace: Workspace) -> None:
    _, key = create_key(bare_workspace.database, "behind a gateway")
    headers = {"X-API-Key": "", "Authorization": f"Bearer {key}"}
    assert stranger.get("/openapi.json", headers=headers).status_code == 200


def test_the_challenge_says_what_is_wrong_with_what_was_presented(
    stranger: httpx.Client, bare_workspace: Workspace
) -> None:
    _, key = create_key(bare_workspace.database, "narrow", ("lists",))
    nothing = stranger.get("/v1/model")
    wrong = stranger.get("/v1/model", headers={"Authorization": "Bearer nobody"})
    narrow = stranger.get("/v1/model", headers={"Authorization": f"Bearer {key}"})
    assert [each.headers["WWW-Authenticate"] for each in (nothing, wrong, narrow)] == [
        'Bearer realm="aftercast"',
        'Bearer realm="aftercast", error="invalid_token"',
        'Bearer realm="aftercast", error="insufficient_scope", scope="predict"',
    ]


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_a_body_that_is_not_called_json_is_refused(bare_client: httpx.Client, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    answer = bare_client.post("/v1/failure-risk", content=b'{"devices": [{"device_id": "x"}]}', headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/not-json")
