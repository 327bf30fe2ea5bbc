"""Plain questions take a way past the framework; it must lead to the same answers and the same refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from aftercast.data.workspace import Workspace

SHORT = {"Content-Type": "application/json"}
LONG = {"Content-Type": "application/json; charset=utf-8"}
"""The framework reads both as JSON; only the first is plain enough to pass it by."""
PATHS = ("/v1/failure-risk", "/v1/churn-risk")


def _said(client: httpx.Client, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    answered = client.post(path, content=body, headers=headers)
    said = answered.json()
    said.pop("request_id", None)
    return answered.status_code, said


def _bodies(entity_id: str, grain: str, noun: str) -> list[bytes]:
    one = {f"{grain}": [{f"{noun}_id": entity_id}]}
    plain: list[object] = [
        one,
        {**one, "horizon": "36h", "drivers": 2},
        {**one, "drivers": True},
        {**one, "as_of": "2025-05-20T00:00:00Z"},
        {**one, "as_of": "2025-05-20T00:00:00"},
        {**one, "horizon": "never"},
        {**one, "horizon": "900d"},
        {**one, "drivers": -1},
        {**one, "drivers": "3"},
        {**one, "drivers": 2.0},
        {**one, "drivers": 2.5},
        {**one, "drivers": 10**30},
        {**one, "drivers": None},
        {**one, "horizon": "\u00e9\U0001f4f7"},
        {**one, "unknown": 1},
        {f"{grain}": []},
        {f"{grain}": [{f"{noun}_id": "nobody"}]},
        {f"{grain}": [{f"{noun}_id": 7}]},
        {f"{grain}": [{f"{noun}_id": entity_id}] * 3},
        {f"{grain}": [{f"{noun}_id": f"nobody-{i}"} for i in range(1001)]},
        {},
        [],
        [one],
        None,
        "text",
        7,
    ]
    odd = [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"drivers": 1e400}', b'"\\ud800"', b"[" * 100_000]
    twice = f'{{"{grain}": [{{"{noun}_id": "{entity_id}"}}], "drivers": 1, "drivers": 2}}'.encode()
    surrogate = f'{{"{grain}": [{{"{noun}_id": "\\ud800"}}]}}'.encode()
    whole = json.dumps(one)
    written = [whole.encode("utf-16"), b"\xef\xbb\xbf" + whole.encode(), whole.encode() + b"x", f" {whole}\n".encode()]
    numbers = [f'{whole[:-1]}, "drivers": {each}}}'.encode() for each in ("-0", "1e1", "01", "Infinity", "1" * 5000)]
    return [*(json.dumps(each).encode() for each in plain), *odd, *written, *numbers, twice, surrogate]


@pytest.mark.parametrize(
    ("path", "grain", "noun"), [(PATHS[0], "devices", "device"), (PATHS[1], "customers", "customer")]
)
def test_both_ways_lead_to_the_same_answers_and_refusals(
    client: httpx.Client, fleet_workspace: Workspace, path: str, grain: str, noun: str
) -> None:
    entity_id = str(fleet_workspace.store.read(grain)[f"{noun}_id"].iloc[0])
    statuses = set()
    for body in _bodies(entity_id, grain, noun):
        short, long = _said(client, path, body, SHORT), _said(client, path, body, LONG)
        assert short == long, body[:200]
        statuses.add(short[0])
    assert statuses >= {200, 400, 409, 422}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [SHORT, LONG])
def test_a_key_without_the_scope_is_refused_on_both_ways(
    client: httpx.Client,
    fleet_workspace: Workspace,
    client_of: Callable[..., httpx.Client],
    path: str,
    headers: dict[str, str],
) -> None:
    with client_of(str(client.base_url), fleet_workspace, "lists", "ingest", "metrics") as narrow:
        for body in (b'{"devices": [{"device_id": "x"}]}', b'{"customers": [{"customer_id": "x"}]}'):
            status, said = _said(narrow, path, body, headers)
            assert (status, said["type"]) == (403, "urn:aftercast:problem:scope-missing")


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_a_body_that_is_not_called_json_is_refused(client: httpx.Client, content_type: str) -> None:
    body = b'{"devices": [{"device_id": "x"}]}'
    status, said = _said(client, PATHS[0], body, {"Content-Type": content_type})
    assert (status, said["type"]) == (422, "urn:aftercast:problem:invalid-request")
