"""Refusals are problem details that name places and remedies, and never what was sent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from aftercast.serving.wire.common import MOST_ERRORS

MARK = "v3ry-pr1vate"


def _refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["type"]) == (status, f"/problems/{code}")
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({}, "body.devices"),
        ({"devices": []}, "body.devices"),
        ({"devices": [{"device_id": ""}]}, "body.devices.0.device_id"),
        ({"devices": [{"device_id": MARK * 100}]}, "body.devices.0.device_id"),
        ({"devices": [{"device_id": "D1"}, {"device_id": {"a": MARK}}]}, "body.devices.1.device_id"),
        ({"devices": [{"device_id": "D1", MARK: 1}]}, "body.devices.0"),
        ({"devices": [{"device_id": "D1"}], "horizon": [MARK]}, "body.horizon"),
        ({"devices": [{"device_id": "D1"}], "drivers": -1}, "body.drivers"),
        ([MARK], "body"),
        (MARK, "body"),
        (None, "body"),
    ],
)
def test_what_is_wrong_is_named_by_place_and_never_repeated(
    bare_client: httpx.Client, body: Any, location: str
) -> None:
    answer = bare_client.post("/v1/failure-risk", json=body)
    problem = _refused(answer, 422, "invalid-request")
    assert location in [found["location"] for found in problem["errors"]]
    assert MARK not in answer.text


def test_every_wrong_field_is_named_at_once_up_to_the_first_wrong_item_of_a_list(bare_client: httpx.Client) -> None:
    body = {"devices": [{"device_id": "a"}, {"colour": 1}, {}], "drivers": 1000, "horizon": 7}
    answer = bare_client.post("/v1/failure-risk", json=body)
    places = {each["location"] for each in _refused(answer, 422, "invalid-request")["errors"]}
    assert places == {"body.devices.1.device_id", "body.devices.1", "body.drivers", "body.horizon"}


@pytest.mark.parametrize("content", [b"", b"{", b'{"devices": [v3ry-pr1vate]}', b"[" * 100_000])
def test_what_is_not_json_is_refused(bare_client: httpx.Client, content: bytes) -> None:
    answer = bare_client.post("/v1/failure-risk", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert MARK not in answer.text


def test_an_unknown_path_and_a_wrong_method_are_problems(bare_client: httpx.Client) -> None:
    _refused(bare_client.get(f"/{MARK}"), 404, "not-found")
    refused = bare_client.delete("/v1/failure-risk")
    _refused(refused, 405, "method-not-allowed")
    assert refused.headers["Allow"] == "POST"


def test_without_a_model_the_answer_says_what_to_run(bare_client: httpx.Client) -> None:
    failure = bare_client.post("/v1/failure-risk", json={"devices": [{"device_id": "D1"}]})
    churn = bare_client.post("/v1/churn-risk", json={"customers": [{"customer_id": "C1"}]})
    assert "aftercast train failure" in _refused(failure, 503, "no-model")["hint"]
    assert "aftercast train churn" in _refused(churn, 503, "no-model")["hint"]


def test_a_body_above_the_limit_is_refused_announced_or_not(bare_client: httpx.Client) -> None:
    limit = 8_000_000
    announced = bare_client.post("/v1/failure-risk", content=b" " * (limit + 1))
    _refused(announced, 413, "body-too-large")
    pieces = (b" " * 100_000 for _ in range(limit // 100_000 + 1))
    _refused(bare_client.post("/v1/failure-risk", content=pieces), 413, "body-too-large")


def test_a_body_at_the_limit_is_read(bare_client: httpx.Client) -> None:
    body = b'{"devices": [{"device_id": "D1"}]}'
    padded = body + b" " * (8_000_000 - len(body))
    answer = bare_client.post("/v1/failure-risk", content=padded, headers={"Content-Type": "application/json"})
    _refused(answer, 503, "no-model")


N = 120_000
MANY_WRONG: dict[str, tuple[str, Any]] = {
    "items": ("/v1/failure-risk", {"devices": [1] * N}),
    "customers": ("/v1/churn-risk", {"customers": [{}] * N}),
    "fewer than the most": ("/v1/churn-risk", {"customers": [{}] * 9_000}),
    "records": ("/v1/records", {"table": "faults", "records": ["x"] * 90_000}),
    "too many records": ("/v1/records", {"table": "faults", "records": [{}] * N}),
    "records of a device": ("/v1/failure-risk", {"devices": [{"device_id": "a", "telemetry": [[]] * 90_000}]}),
    "fields of a record": (
        "/v1/failure-risk",
        {"devices": [{"device_id": "a", "facts": {str(i): [] for i in range(N)}}]},
    ),
    "values of a record": ("/v1/records", {"table": "faults", "records": [{str(i): [] for i in range(900)}]}),
    "unknown fields": ("/v1/failure-risk", {"devices": [{"device_id": "a"}], **dict.fromkeys(map(str, range(N)), 1)}),
    "unknown fields of an item": (
        "/v1/failure-risk",
        {"devices": [{"device_id": "a", **dict.fromkeys(map(str, range(N)))}]},
    ),
}


@pytest.mark.parametrize("case", MANY_WRONG)
def test_a_body_of_many_wrong_items_is_refused_in_few_words(bare_client: httpx.Client, case: str) -> None:
    """Wording each of them would hold up all others for seconds, and answer with many times what was sent."""
    path, body = MANY_WRONG[case]
    answer = bare_client.post(path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert 1 <= len(answer.json()["errors"]) <= MOST_ERRORS
    assert len(answer.content) < 50_000


def test_so_many_errors_are_counted_and_a_few_are_named(bare_client: httpx.Client) -> None:
    few, many = (
        bare_client.post(
            "/v1/failure-risk", json={"devices": [{"device_id": "a", **dict.fromkeys(map(str, range(n)))}]}
        )
        for n in (MOST_ERRORS, MOST_ERRORS + 1)
    )
    assert len(few.json()["errors"]) == MOST_ERRORS
    assert many.json()["errors"] == [{"location": "body", "message": "101 places are wrong, too many to name"}]
    empty = bare_client.post("/v1/records", json={"table": "faults", "records": []})
    assert [each["location"] for each in empty.json()["errors"]] == ["body.records"]
