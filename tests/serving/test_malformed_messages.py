"""What is no proper HTTP, or ends too soon, is refused by the server below the application; and the service goes on."""

from __future__ import annotations

import socket

import httpx
import pytest

from aftercast.data.workspace import Workspace
from aftercast.operations.database.keys import create_key

MARK = b"v3ry-pr1vate"
BODY = b'{"devices": [{"device_id": "' + MARK + b'"}]}'
PATIENCE_S = 60.0
POST = b"POST /v1/failure-risk HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def key(bare_workspace: Workspace) -> bytes:
    _, made = create_key(bare_workspace.database, "odd messages", ("predict",))
    return made.encode()


def _message(key: bytes, line: bytes = POST, *more: bytes, length: bytes | None = None, body: bytes = BODY) -> bytes:
    """Message as sent; with its true length unless another is given, none where it is empty."""
    announced = b"%d" % len(body) if length is None else length
    headers = [b"Host: service", b"Connection: close", b"Content-Type: application/json", b"X-API-Key: " + key, *more]
    headers += [b"Content-Length: " + announced] if announced else []
    return b"\r\n".join([line, *headers, b"", body])


def _chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _answered(client: httpx.Client, message: bytes, *, hang_up: bool = False) -> tuple[int | None, bytes]:
    """Status, None where none came, and all that came until the server closed."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=PATIENCE_S) as there:
        there.sendall(message)
        if hang_up:
            there.shutdown(socket.SHUT_WR)
        came = b"".join(iter(lambda: there.recv(65536), b""))
    return (int(came.split(b" ", 2)[1]), came) if came else (None, came)


@pytest.fixture(autouse=True)
def _going_on(bare_client: httpx.Client) -> object:
    yield
    assert bare_client.get("/v1/model").status_code == 200


BROKEN: dict[str, tuple[tuple[bytes, ...], dict[str, bytes]]] = {
    "a length below zero": ((POST,), {"length": b"-1"}),
    "a length in words": ((POST,), {"length": b"forty"}),
    "a length with a sign": ((POST,), {"length": b"+5"}),
    "a length of 30 digits": ((POST,), {"length": b"9" * 30}),
    "two lengths": ((POST, b"Content-Length: 3"), {}),
    "a length and chunks": ((POST, CHUNKED), {}),
    "chunks of no size": ((POST, CHUNKED), {"length": b"", "body": b"zz\r\n" + BODY + b"\r\n0\r\n\r\n"}),
    "chunks of a size below zero": ((POST, CHUNKED), {"length": b"", "body": b"-5\r\n" + BODY}),
    "chunks of a size beyond reach": ((POST, CHUNKED), {"length": b"", "body": b"f" * 20 + b"\r\n" + BODY}),
    "a NUL in the path": ((b"GET /v1/devices/" + MARK + b"\x00 HTTP/1.1",), {}),
    "bytes beyond ASCII in the path": ((b"GET /v1/devices/\xff\xfe HTTP/1.1",), {}),
    "a space in the path": ((b"GET /v1/devices/a b HTTP/1.1",), {}),
    "a NUL in a header": ((POST, b"X-Odd: a\x00b"), {}),
    "a space in the name of a header": ((POST, b"X Odd: a"), {}),
    "a header over two lines": ((POST, b"X-Odd: a\r\n b"), {}),
    "a method that is none": ((b"BREW /v1/failure-risk HTTP/1.1",), {}),
    "a version that is none": ((b"POST /v1/failure-risk HTTP/9.9",), {}),
}


@pytest.mark.parametrize(("parts", "how"), BROKEN.values(), ids=BROKEN)
def test_what_is_no_http_is_400_and_closed(
    bare_client: httpx.Client, key: bytes, parts: tuple[bytes, ...], how: dict[str, bytes]
) -> None:
    status, came = _answered(bare_client, _message(key, *parts, **how))
    assert status == 400
    assert came.endswith(b"\r\n\r\nInvalid HTTP request received.")


@pytest.mark.parametrize(
    "message", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 50, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
def test_another_protocol_is_400_and_closed(bare_client: httpx.Client, message: bytes) -> None:
    assert _answered(bare_client, message, hang_up=True)[0] == 400


def test_a_body_in_pieces_is_read_as_one(bare_client: httpx.Client, key: bytes) -> None:
    whole = _answered(bare_client, _message(key))
    pieces = _answered(
        bare_client,
        _message(key, POST, CHUNKED, length=b"", body=_chunks(*(BODY[i : i + 7] for i in range(0, len(BODY), 7)))),
    )
    assert (whole[0], pieces[0]) == (503, 503)  # the service has no model: the body was read, and refused by nothing
    assert b"/problems/no-model" in pieces[1]


def test_a_body_longer_than_announced_is_read_as_announced(bare_client: httpx.Client, key: bytes) -> None:
    status, came = _answered(bare_client, _message(key, length=b"%d" % (len(BODY) - 5)))
    assert (status, MARK in came) == (422, False)
    assert b"Is not JSON" in came


def test_a_length_above_the_limit_is_refused_before_the_body(bare_client: httpx.Client, key: bytes) -> None:
    status, came = _answered(bare_client, _message(key, length=b"9" * 18))
    assert (status, b"/problems/body-too-large" in came) == (413, True)


@pytest.mark.parametrize("body", [b"", BODY[:10]])
def test_a_caller_who_hangs_up_before_the_end_gets_no_answer(
    bare_client: httpx.Client, key: bytes, body: bytes
) -> None:
    assert _answered(bare_client, _message(key, length=b"50", body=body), hang_up=True)[0] is None
    chunk = b"ff\r\n" + body
    assert _answered(bare_client, _message(key, POST, CHUNKED, length=b"", body=chunk), hang_up=True)[0] is None


def test_an_odd_request_id_is_replaced(bare_client: httpx.Client, key: bytes) -> None:
    status, came = _answered(bare_client, _message(key, POST, b"X-Request-ID: " + MARK + b" \xff"))
    assert (status, MARK in came) == (503, False)
