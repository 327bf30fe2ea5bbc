"""The page of interactive documentation: for whom it is there, what it is allowed to load, and that it is complete."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key

Listening = Callable[[Workspace], AbstractContextManager[str]]


class Page(HTMLParser):
    """What a page loads, and whether it holds script or style of its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.own: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note addresses, inline scripts and styles, and handlers of events."""
        named = dict(attrs)
        address = named.get("src") or (named.get("href") if tag == "link" else None)
        if address is not None:
            self.loads.append(address)
        elif tag in {"script", "style"}:
            self.own.append(tag)
        self.own.extend(name for name in named if name == "style" or name.startswith("on"))


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


def test_everything_the_page_loads_is_there_and_needs_a_key(
    bare_client: httpx.Client, stranger: httpx.Client, page: httpx.Response
) -> None:
    loads = Page(page.text).loads
    assert len(loads) == 5
    for address in loads:
        url = httpx.URL("/docs").join(address)
        answer = bare_client.get(url)
        assert (answer.status_code, len(answer.content) > 100) == (200, True), address
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert stranger.get(url).status_code == 401


def test_media_types_are_those_that_a_browser_runs(bare_client: httpx.Client, page: httpx.Response) -> None:
    loads = Page(page.text).loads
    types = {each.rpartition(".")[2]: bare_client.get(f"/{each}").headers["Content-Type"] for each in loads}
    assert types == {
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml",
    }


def test_the_page_holds_no_script_of_its_own_and_names_no_other_place(page: httpx.Response) -> None:
    found = Page(page.text)
    assert found.own == []
    assert [each for each in found.loads if re.match(r"[a-z]+:|/", each)] == []


def test_the_watcher_of_the_page_sees_what_it_looks_for() -> None:
    found = Page('<script>x()</script><p onclick="y()" style="z"><link href="https://a.example/b.css"><style></style>')
    assert found.own == ["script", "onclick", "style", "style"]
    assert found.loads == ["https://a.example/b.css"]


def test_the_policy_allows_what_is_of_the_service_and_nothing_unsafe(page: httpx.Response) -> None:
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert "unsafe" not in " ".join(policy.values())
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "redoc.standalone.js",
        "../__init__.py",
        "..%2F__init__.py",
        "%2e%2e/core.py",
        "start.js%00",
        "",
        "x",
    ],
)
def test_only_the_files_of_the_page_are_served(bare_client: httpx.Client, page: httpx.Response, name: str) -> None:
    folder = Page(page.text).loads[0].rpartition("/")[0]
    assert bare_client.get(f"/{folder}/{name}").status_code == 404
    assert bare_client.get("/docs/assets/0123456789abcdef/start.js").status_code == 404


def test_where_the_page_is_switched_off_neither_it_nor_its_files_are_there(
    bare_workspace: Workspace, listening: Listening, page: httpx.Response
) -> None:
    _, key = create_key(bare_workspace.database, "reader", ("predict",))
    with (
        listening(_changed(bare_workspace, docs=False)) as url,
        httpx.Client(base_url=url, headers={"X-API-Key": key}) as client,
    ):
        answers = [client.get(path) for path in ("/docs", f"/{Page(page.text).loads[0]}", "/nowhere")]
        described = client.get("/openapi.json").status_code
    assert [answer.status_code for answer in answers] == [404] * 3
    assert {answer.json()["type"] for answer in answers} == {"urn:aftercast:problem:not-found"}
    assert described == 200


def test_readers_of_the_page_are_limited_as_every_caller_is(bare_workspace: Workspace, listening: Listening) -> None:
    _, key = create_key(bare_workspace.database, "hasty reader", ("predict",), rate_limit="2/hour")
    with listening(bare_workspace) as url, httpx.Client(base_url=url, auth=("anyone", key)) as client:
        answers = [client.get("/docs").status_code for _ in range(3)]
    assert answers == [200, 200, 429]
