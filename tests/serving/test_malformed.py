"""Whatever is sent is answered as described: by exact status and problem, without the payload; and the service goes on.

Every body found to break the service is kept here, beside the classics. The service has data and models, so that what
passes the first checks meets the rest of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from aftercast.data.workspace import Workspace
from aftercast.pipelines.drain import run_drain

Listening = Callable[[Workspace], AbstractContextManager[str]]
ClientOf = Callable[..., AbstractContextManager[httpx.Client]]

MARK = "v3ry-pr1vate"
RISK, CHURN, RECORDS, LISTS = "/v1/failure-risk", "/v1/churn-risk", "/v1/records", "/v1/risk-lists"
WAYS = ("application/json", "application/json; charset=utf-8")
"""The first is read without the framework where it is plain, the second never is."""
SENSOR = "vibration_mm_s"


def _asked(more: str = "", about: str = "") -> bytes:
    """Question about a device, with JSON text put into the device or beside it, and the mark."""
    return f'{{"devices": [{{"device_id": "{MARK}"{more}}}]{about}}}'.encode()


def _sensor(value: str) -> bytes:
    return _asked(f', "telemetry": [{{"event_time": "2025-05-01T00:00:00Z", "{MARK}": {value}}}]')


def _stored(value: str, table: str = '"telemetry"') -> bytes:
    return f'{{"table": {table}, "records": [{value}]}}'.encode()


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


UNREADABLE = {
    "invalid utf-8": _asked().replace(b"v3ry", b"v3ry\xff\xfe"),
    "overlong utf-8": _asked().replace(b"v3ry", b"\xc0\xafv3ry"),
    "lists nested too deeply": b'{"devices": ' + _nested(100_000).encode() + b"}",
    "objects nested too deeply": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a number of 5,000 digits": _asked(about=f', "drivers": {"9" * 5000}'),
}
NO_JSON = {
    "blank": b"  ",
    "cut off": _asked()[:-1],
    "a word": MARK.encode(),
    "a word in it": _asked(about=f', "drivers": {MARK}'),
    "more after the end": _asked() + b" x",
    "two documents": _asked() * 2,
    "a comment": b"/* x */" + _asked(),
    "single quotes": _asked().replace(b'"', b"'"),
    "a comma too many": _asked(about=","),
    "a raw NUL in text": _asked().replace(b"v3ry", b"v3ry\x00"),
    "a raw line end in text": _asked().replace(b"v3ry", b"v3ry\n"),
    "no json, but xml": f"<devices><id>{MARK}</id></devices>".encode(),
}
NOT_AS_DESCRIBED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "body"),
    "null": (b"null", "body"),
    "a list": (f'["{MARK}"]'.encode(), "body"),
    "text": (f'"{MARK}"'.encode(), "body"),
    "a number": (b"1e400", "body"),
    "an object for the list": (f'{{"devices": {{"device_id": "{MARK}"}}}}'.encode(), "body.devices"),
    "null for the list": (b'{"devices": null}', "body.devices"),
    "null for a device": (b'{"devices": [null]}', "body.devices.0"),
    "null for an id": (b'{"devices": [{"device_id": null}]}', "body.devices.0.device_id"),
    "a number for an id": (b'{"devices": [{"device_id": 17}]}', "body.devices.0.device_id"),
    "true for an id": (b'{"devices": [{"device_id": true}]}', "body.devices.0.device_id"),
    "an empty id": (b'{"devices": [{"device_id": ""}]}', "body.devices.0.device_id"),
    "an id of a megabyte": (_asked().replace(b"v3ry", b"v3ry" * 250_000), "body.devices.0.device_id"),
    "a lone surrogate as id": (b'{"devices": [{"device_id": "\\ud800"}]}', "body.devices.0.device_id"),
    "an encoded surrogate as id": (b'{"devices": [{"device_id": "\xed\xa0\x80"}]}', "body.devices.0.device_id"),
    "a field that is not known": (_asked(f', "{MARK}": 1'), "body.devices.0"),
    "a lone surrogate as field": (_asked(', "\\ud800": 1'), "body.devices.0"),
    "NaN": (_asked(about=', "drivers": NaN'), "body.drivers"),
    "infinity": (_asked(about=', "drivers": -Infinity'), "body.drivers"),
    "1e400": (_asked(about=', "drivers": 1e400'), "body.drivers"),
    "a huge number": (_asked(about=f', "drivers": {"9" * 4000}'), "body.drivers"),
    "a number as text": (_asked(about=', "drivers": "3"'), "body.drivers"),
    "a word that means true": (_asked(about=', "drivers": "yes"'), "body.drivers"),
    "null for drivers": (_asked(about=', "drivers": null'), "body.drivers"),
    "digits that are not ascii": (_asked(about=', "horizon": "\u0667d"'), "body.horizon"),
    "no time at all": (_asked(about=', "horizon": "0.000d"'), "body.horizon"),
    "a line end in the horizon": (_asked(about=', "horizon": "7d\\n"'), "body.horizon"),
    "NaN of a sensor": (_sensor("NaN"), "body.devices.0.telemetry.0.*"),
    "1e400 of a sensor": (_sensor("1e400"), "body.devices.0.telemetry.0.*"),
    "a huge number of a sensor": (_sensor("9" * 400), "body.devices.0.telemetry.0.*"),
    "an object of a sensor": (_sensor(f'{{"{MARK}": 1}}'), "body.devices.0.telemetry.0.*"),
    "a deep list of a sensor": (_sensor(_nested(900)), "body.devices.0.telemetry.0.*"),
    "a lone surrogate of a sensor": (_sensor('"\\udfff"'), "body.devices.0.telemetry.0.*"),
    "a long name of a sensor": (
        _sensor("1").replace(b'"v3ry-pr1vate": 1', b'"' + b"v3ry" * 60 + b'": 1'),
        "body.devices.0.telemetry.0.*",
    ),
    "a long name of a fact": (_asked(f', "facts": {{"{MARK * 20}": 1}}'), "body.devices.0.facts.*"),
    "null for records": (_asked(', "telemetry": null'), "body.devices.0.telemetry"),
    "null for a record": (_asked(', "telemetry": [null]'), "body.devices.0.telemetry.0"),
}


def _check_refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"/problems/{code}"
    assert problem["hint"]
    assert MARK not in answer.text
    assert "v3ry" not in answer.text
    assert len(answer.content) < 4000
    return problem


@pytest.fixture(scope="module")
def device_id(fleet_workspace: Workspace) -> str:
    return str(fleet_workspace.store.read("devices")["device_id"].iloc[0])


@pytest.fixture(autouse=True)
def going_on(client: httpx.Client, device_id: str) -> Any:
    """After each test the service answers as before it."""

    def answers() -> list[dict[str, Any]]:
        answer = client.post(RISK, json={"devices": [{"device_id": device_id}]})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["results"]
        return found

    before = answers()
    yield
    assert answers() == before


def _sent(client: httpx.Client, path: str, body: bytes, content_type: str) -> httpx.Response:
    return client.post(path, content=body, headers={"Content-Type": content_type})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_400(client: httpx.Client, body: bytes, way: str) -> None:
    for path in (RISK, CHURN, RECORDS):
        _check_refused(_sent(client, path, body, way), 400, "bad-request")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_422_and_told_where_it_ends(client: httpx.Client, body: bytes, way: str) -> None:
    for path in (RISK, CHURN, RECORDS):
        [found] = _check_refused(_sent(client, path, body, way), 422, "invalid-request")["errors"]
        assert found["location"] == "body"
        assert found["message"].startswith("Is not JSON, see character ")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("body", "place"), NOT_AS_DESCRIBED.values(), ids=NOT_AS_DESCRIBED)
def test_what_is_not_as_described_is_422_and_named_by_place(
    client: httpx.Client, body: bytes, place: str, way: str
) -> None:
    problem = _check_refused(_sent(client, RISK, body, way), 422, "invalid-request")
    assert {found["location"] for found in problem["errors"]} == {place}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/xml",
        "application/jsonp",
        "application/json, text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "json",
        "*/*",
    ],
)
def test_a_body_of_another_type_is_415_and_told_which_is_wanted(client: httpx.Client, content_type: str) -> None:
    for path in (RISK, RECORDS):
        problem = _check_refused(_sent(client, path, _asked(), content_type), 415, "not-json")
        assert "Content-Type: application/json" in problem["hint"]


@pytest.mark.parametrize("content_type", [*WAYS, "APPLICATION/JSON", "application/json;", "application/vnd.api+json"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_json_by_any_of_its_names_is_read(client: httpx.Client, device_id: str, content_type: str, mark: bytes) -> None:
    body = mark + _asked().replace(MARK.encode(), device_id.encode())
    answer = _sent(client, RISK, body, content_type)
    assert (answer.status_code, answer.json()["answered"]) == (200, 1)


@pytest.mark.parametrize("way", WAYS)
def test_of_a_field_that_stands_twice_the_last_counts(client: httpx.Client, device_id: str, way: str) -> None:
    body = (
        f'{{"devices": [], "drivers": 99, "devices": [{{"device_id": "x", "device_id": "{device_id}"}}], "drivers": 1}}'
    )
    [result] = _sent(client, RISK, body.encode(), way).json()["results"]
    assert (result["device_id"], len(result["drivers"])) == (device_id, 1)


@pytest.mark.parametrize(
    "odd", ["D\u0000", "\u0000", "a/b", "../..", "%00", "\u202egnp", "\U0001f600", "x" * 200, " ", "\n"]
)
def test_an_odd_id_is_an_unknown_device_by_every_route(client: httpx.Client, odd: str) -> None:
    [result] = client.post(RISK, json={"devices": [{"device_id": odd}]}).json()["results"]
    assert (result["device_id"], result["error"]["code"]) == (odd, "unknown_device")
    live = {"device_id": odd, "telemetry": [{"event_time": "2025-05-01T00:00:00Z", SENSOR: 1.0}]}
    [result] = client.post(RISK, json={"devices": [live]}).json()["results"]
    assert (result["device_id"], result["error"]["code"]) == (odd, "unknown_device")


OUT_OF_REACH = ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"]


@pytest.mark.parametrize("moment", [*OUT_OF_REACH, "1600-01-01T00:00:00Z", "2200-01-01T00:00:00Z"])
def test_there_is_no_list_of_an_instant_that_no_data_can_be_of(client: httpx.Client, moment: str) -> None:
    _check_refused(client.post(LISTS, json={"cutoff": moment}), 404, "not-found")


@pytest.mark.parametrize(
    "path", ["%00", "D%00", "%2F", "..%2F..%2Fetc%2Fpasswd", "%FF", "%ED%A0%80", "%", "%zz", "a%25b", "*"]
)
def test_an_odd_id_in_the_path_is_404(client: httpx.Client, path: str) -> None:
    _check_refused(client.get(httpx.URL(f"{client.base_url}/v1/devices/{MARK}{path}")), 404, "not-found")


@pytest.mark.parametrize("path", ["", MARK * 17, MARK * 1000])
def test_an_id_of_no_length_or_too_great_a_one_is_422(client: httpx.Client, path: str) -> None:
    problem = _check_refused(client.get(f"/v1/devices/{path}"), 422, "invalid-request")
    assert [found["location"] for found in problem["errors"]] == ["path.device_id"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ('"top": 0', "top"),
        ('"top": null', "top"),
        ('"top": 1.5', "top"),
        ('"top": NaN', "top"),
        ('"top": "7"', "top"),
        (f'"top": {"9" * 4000}', "top"),
        (f'"kind": "{MARK}"', "kind"),
        ('"horizon": ""', "horizon"),
        ('"horizon": "7d\\u0000"', "horizon"),
        ('"horizon": "\u0667d"', "horizon"),
        (f'"horizon": "{MARK}"', "horizon"),
        ('"cutoff": ""', "cutoff"),
        ('"cutoff": 1', "cutoff"),
        ('"cutoff": 1e300', "cutoff"),
        ('"cutoff": "1747900800"', "cutoff"),
        ('"cutoff": "2025-05-30"', "cutoff"),
        ('"cutoff": "2025-05-30T00:00:00"', "cutoff"),
        ('"cutoff": "2025-02-30T00:00:00Z"', "cutoff"),
        ('"cutoff": "2025-05-01T24:00:00Z"', "cutoff"),
        ('"cutoff": "10000-01-01T00:00:00Z"', "cutoff"),
        (f'"cutoff": "{MARK}"', "cutoff"),
    ],
)
def test_an_odd_question_for_a_list_is_422_and_named_by_place(client: httpx.Client, body: str, place: str) -> None:
    answer = client.post(LISTS, content=f"{{{body}}}".encode(), headers={"Content-Type": "application/json"})
    problem = _check_refused(answer, 422, "invalid-request")
    assert [found["location"] for found in problem["errors"]] == [f"body.{place}"]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "limit"),
        ("limit=", "limit"),
        ("limit=1e3", "limit"),
        ("limit=%D9%A7", "limit"),
        (f"limit={'9' * 5000}", "limit"),
        ("cursor=-1", "cursor"),
        ("cursor=%D9%A7", "cursor"),
        (f"cursor={MARK}", "cursor"),
        (f"format={MARK}", "format"),
    ],
)
def test_an_odd_query_is_422_and_named_by_place(client: httpx.Client, query: str, place: str) -> None:
    problem = _check_refused(client.get(f"{LISTS}/5d1f0a9be77c4e21?{query}"), 422, "invalid-request")
    assert [found["location"] for found in problem["errors"]] == [f"query.{place}"]


REFUSED_RECORDS: list[tuple[dict[str, Any], str, str]] = [
    ({"event_time": "2025-02-30T00:00:00Z"}, "unparsable", "event_time"),
    ({"event_time": "\u0662\u0660\u0662\u0665-05-01T00:00:00Z"}, "unparsable", "event_time"),
    ({"event_time": "2025-05-01T00:00:00+99:99"}, "unparsable", "event_time"),
    ({"event_time": "2025-05-01T00:00:00Z\u0000"}, "unparsable", "event_time"),
    ({"event_time": True}, "unparsable", "event_time"),
    ({"event_time": 1e300}, "unparsable", "event_time"),
    ({"event_time": None}, "missing_value", "event_time"),
    ({"event_time": "2025-05-01T00:00:00"}, "naive_time", "event_time"),
    *(({"event_time": moment}, "impossible_time", "event_time") for moment in OUT_OF_REACH),
    *(({"event_time": moment, "available_at": moment}, "impossible_time", "event_time") for moment in OUT_OF_REACH),
    ({SENSOR: MARK}, "unparsable", SENSOR),
    ({SENSOR: 1e308}, "impossible_value", SENSOR),
]


@pytest.mark.parametrize(("odd", "reason", "column"), REFUSED_RECORDS)
def test_a_record_that_breaks_the_contract_is_named_and_the_others_are_read(
    client: httpx.Client, device_id: str, odd: dict[str, Any], reason: str, column: str
) -> None:
    fine = {"event_time": "2025-05-29T00:00:00Z", SENSOR: 1.0, "current_a": 2.0}
    asked = {"device_id": device_id, "telemetry": [fine, {**fine, **odd}]}
    answer = client.post(RISK, json={"devices": [asked]})
    assert answer.status_code == 200, answer.text
    [result] = answer.json()["results"]
    assert [(each["row"], each["reason"], each["column"]) for each in result["refused_records"]] == [
        (1, reason, column)
    ]
    assert result["probability"] is not None
    assert MARK not in answer.text


def test_records_that_break_the_contract_do_not_hold_up_the_drain(
    own_fleet: Workspace, listening: Listening, client_of: ClientOf
) -> None:
    device_id = str(own_fleet.store.read("devices")["device_id"].iloc[0])
    before = len(own_fleet.store.read("telemetry", device_ids=[device_id]))
    fine = {"device_id": device_id, "event_time": "2025-06-01T01:00:00Z", SENSOR: 1.0}
    odd = [{**fine, **each, "available_at": "2025-06-01T02:00:00Z"} for each, _, _ in REFUSED_RECORDS]
    odd += [{**fine, "device_id": each} for each in ("D\u0000", None, 17, True, "", "x" * 1000)]
    with listening(own_fleet) as url, client_of(url, own_fleet, "ingest") as sender:
        for each in odd:
            answer = sender.post(RECORDS, json={"table": "telemetry", "records": [each]})
            assert answer.status_code in {202, 409, 422}, answer.text
            assert MARK not in answer.text
        assert sender.post(RECORDS, json={"table": "telemetry", "records": [fine]}).status_code == 202
    found = run_drain(own_fleet)
    assert found["kept"] >= 1
    stored = own_fleet.store.read("telemetry", device_ids=[device_id])
    assert len(stored) > before
    assert stored["event_time"].dt.year.between(2024, 2026).all()
