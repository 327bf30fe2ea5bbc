"""The page of interactive documentation: for whom it is there, and that it loads nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import httpx
import pytest

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key

Listening = Callable[[Workspace], AbstractContextManager[str]]


def _changed(workspace: Workspace, **serving: object) -> Workspace:
    settings = workspace.settings
    changed = settings.serving.model_copy(update=serving)
    return replace(workspace, settings=settings.model_copy(update={"serving": changed}))


@pytest.fixture(scope="module")
def page(bare_client: httpx.Client) -> httpx.Response:
    answer = bare_client.get("/docs")
    assert answer.status_code == 200, answer.text
    return answer


def test_a_key_of_any_scope_reads_the_page(
    stranger: httpx.Client, bare_workspace: Workspace, page: httpx.Response
) -> None:
    _, key = create_key(bare_workspace.database, "narrow", ("lists",), outlets=["N1"])
    for answer in (stranger.get("/docs", headers={"X-API-Key": key}), stranger.get("/docs", auth=("anyone", key))):
        assert (answer.status_code, answer.text) == (200, page.text)


def test_everything_the_page_loads_is_of_the_service_and_needs_a_key(
    bare_client: httpx.Client, stranger: httpx.Client, page: httpx.Response
) -> None:
    loads = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loads) == 3
    assert [each for each in loads if not each.startswith("/docs/static/")] == []
    assert {bare_client.get(each).status_code for each in loads} == {200}
    assert {stranger.get(each).status_code for each in loads} == {401}


def test_where_the_page_is_switched_off_neither_it_nor_its_files_are_there(
    bare_workspace: Workspace, listening: Listening
) -> None:
    _, key = create_key(bare_workspace.database, "reader", ("predict",))
    with (
        listening(_changed(bare_workspace, docs=False)) as url,
        httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60) as client,
    ):
        paths = ("/docs", "/docs/static/swagger-ui.css", "/openapi.json")
        assert [client.get(path).status_code for path in paths] == [404, 404, 200]


def test_readers_of_the_page_are_limited_as_every_caller_is(bare_workspace: Workspace, listening: Listening) -> None:
    _, key = create_key(bare_workspace.database, "hasty reader", ("predict",), rate_limit="2/hour")
    with listening(bare_workspace) as url, httpx.Client(base_url=url, auth=("anyone", key), timeout=60) as client:
        answers = [client.get("/docs").status_code for _ in range(3)]
    assert answers == [200, 200, 429]
