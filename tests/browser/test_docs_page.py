"""The page of interactive documentation in a real browser: an example call to a 200, and nothing from elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key

pytestmark = pytest.mark.slow

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""The browser runs as root in containers, and asks nobody but the page."""
PATIENCE_MS = 60_000

Listening = Callable[[Workspace], AbstractContextManager[str]]


@dataclass
class Visit:
    """A page opened with a key, and what the browser complained of and asked for meanwhile."""

    page: Page
    url: str
    key: str
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note errors, warnings, violations of the policy, and every address asked for."""
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.addresses.append(request.url))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def elsewhere(self) -> list[str]:
        """Addresses asked for that are not the service's."""
        return [each for each in self.addresses if not each.startswith((f"{self.url}/", "data:"))]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip(f"no browser on this machine: none of {', '.join(NAMES)}")
    with sync_playwright() as tool:
        opened = tool.chromium.launch(executable_path=found, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def url(fleet_workspace: Workspace, listening: Listening) -> Iterator[str]:
    with listening(fleet_workspace) as found:
        yield found


@pytest.fixture
def visit(browser: Browser, url: str, fleet_workspace: Workspace) -> Iterator[Visit]:
    _, key = create_key(fleet_workspace.database, "reader of the page", ("predict",))
    context = browser.new_context(http_credentials={"username": "anyone", "password": key})
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    made = Visit(context.new_page(), url, key)
    made.watch()
    made.page.goto(f"{url}/docs")
    yield made
    context.close()


def _authorize(page: Page, key: str) -> None:
    page.get_by_role("button", name="Authorize").click()
    asked = page.locator(".auth-container", has_text="X-API-Key")
    asked.locator("input").fill(key)
    asked.get_by_role("button", name="Apply credentials").click()
    expect(asked.get_by_role("button", name="Remove authorization")).to_be_visible()
    page.locator(".modal-ux").get_by_role("button", name="Close").first.click()


def _opened(page: Page, operation: str) -> Locator:
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").click()
    expect(block.get_by_role("button", name="Execute")).to_be_visible()
    return block


def _executed(block: Locator) -> Locator:
    """Press Execute; the row with the answer."""
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response")


def test_an_example_call_runs_to_a_200_with_a_probability(visit: Visit, fleet_workspace: Workspace) -> None:
    _authorize(visit.page, visit.key)
    block = _opened(visit.page, "risk-post_failure_risk")
    editor = block.locator("textarea.body-param__text")
    example = json.loads(editor.input_value())
    example["devices"][0]["device_id"] = str(fleet_workspace.store.read("devices")["device_id"].iloc[0])
    editor.fill(json.dumps(example))
    answer = _executed(block)
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    text = answer.locator(".response-col_description pre").first.inner_text()
    said = json.loads(text)
    assert 0 < said["results"][0]["probability"] < 1
    assert [each["status"] for each in said["results"]] == ["answered", "error"]
    assert (visit.complaints, visit.elsewhere()) == ([], [])
