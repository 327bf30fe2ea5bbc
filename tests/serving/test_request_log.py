"""One id and one line per request, and a failure nobody foresaw is told without its content."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from aftercast.serving.access_log import RequestLog


def _app() -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.add_middleware(RequestLog)

    @app.get("/things/{thing_id}")
    def thing(thing_id: str) -> dict[str, str]:
        if thing_id == "broken":
            raise RuntimeError("the secret of " + thing_id)
        return {"thing": thing_id}

    return app


def _get(path: str, headers: dict[bytes, bytes] | None = None) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


def _lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(r.getMessage()) for r in caplog.records if r.name == "aftercast.serving.access"]


@pytest.fixture
def access_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    for name in ("aftercast.serving", "aftercast.serving.access"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    caplog.set_level(logging.INFO, logger="aftercast.serving")
    return caplog


def test_a_line_names_the_route_and_not_the_ids_in_its_path(access_log: pytest.LogCaptureFixture) -> None:
    answer = _get("/things/D0017?for=C0042")
    (line,) = _lines(access_log)
    assert (line["method"], line["route"], line["status"]) == ("GET", "/things/{thing_id}", 200)
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert line["duration_ms"] >= 0
    assert "D0017" not in access_log.text
    assert "C0042" not in access_log.text


def test_a_callers_own_id_is_kept(access_log: pytest.LogCaptureFixture) -> None:
    answer = _get("/things/a", {b"X-Request-ID": b"ticket-4711"})
    assert answer.headers["X-Request-ID"] == "ticket-4711"
    assert _lines(access_log)[0]["request_id"] == "ticket-4711"


@pytest.mark.parametrize("given", [b"", b"x" * 65, b'a"b', b"a b", b"\xe4"])
def test_an_id_that_could_harm_a_log_is_replaced(access_log: pytest.LogCaptureFixture, given: bytes) -> None:
    answer = _get("/things/a", {b"X-Request-ID": given})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_what_nobody_foresaw_is_a_problem_and_its_cause_stays_in_the_log(access_log: pytest.LogCaptureFixture) -> None:
    answer = _get("/things/broken")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert "secret" not in answer.text
    assert "the secret of broken" in access_log.text
    assert _lines(access_log)[0]["status"] == 500
