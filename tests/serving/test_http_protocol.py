"""Headers have a size and a time: what never ends holds neither memory nor a connection."""

from __future__ import annotations

import contextlib
import socket
import time

import httpx
import pytest

from aftercast.serving import http_protocol
from aftercast.serving.http_protocol import MOST_HEAD_BYTES

PATIENCE_S = 60.0
LINE = b"GET /health HTTP/1.1\r\nHost: service\r\n"


ASKING = b"POST /v1/failure-risk HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def _connected(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=PATIENCE_S)


def _all(there: socket.socket) -> bytes:
    return b"".join(iter(lambda: there.recv(65536), b""))


def _send_until_refused(there: socket.socket, part: bytes, most: int) -> bytes:
    """Answer to a head sent part by part, which must come long before the end of it."""
    sent = 0
    try:
        while sent < most:
            there.sendall(part)
            sent += len(part)
        there.shutdown(socket.SHUT_WR)
        return _all(there)
    except (ConnectionError, BrokenPipeError):
        return b""


@pytest.mark.parametrize("part", [b"X-Many: " + b"a" * 1000 + b"\r\n", b"a" * 1000], ids=["many headers", "a long one"])
def test_headers_without_end_are_refused(bare_client: httpx.Client, part: bytes) -> None:
    with _connected(bare_client) as there:
        there.sendall(LINE + b"X-Long: ")
        began = time.monotonic()
        answer = _send_until_refused(there, part, 100 * MOST_HEAD_BYTES)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
        assert time.monotonic() - began < PATIENCE_S
    assert bare_client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("begun", "part"),
    [
        (b"1\r\nx\r\n0\r\n", b"X-Many: " + b"a" * 1000 + b"\r\n"),
        (b"0\r\nX-Long: ", b"a" * 1000),
        (b"1;", b"a" * 1000),
    ],
    ids=["many trailers", "a long trailer", "an extension"],
)
def test_what_surrounds_a_body_without_end_closes_the_connection(
    bare_client: httpx.Client, begun: bytes, part: bytes
) -> None:
    with _connected(bare_client) as there:
        there.sendall(ASKING + CHUNKED + b"\r\n" + begun)
        most, sent = 1000 * MOST_HEAD_BYTES, 0
        with contextlib.suppress(ConnectionError, BrokenPipeError):
            while sent < most:
                there.sendall(part)
                sent += len(part)
        assert sent < most
    assert bare_client.get("/health").status_code == 200


def test_a_trailer_is_no_header(bare_client: httpx.Client) -> None:
    key = b"X-API-Key: " + bare_client.headers["X-API-Key"].encode() + b"\r\n"
    answers = {}
    for place, (head, trailer) in {"header": (key, b""), "trailer": (b"", key)}.items():
        with _connected(bare_client) as there:
            body = b"2\r\n{}\r\n0\r\n"
            there.sendall(ASKING + CHUNKED + b"Connection: close\r\n" + head + b"\r\n" + body + trailer + b"\r\n")
            answers[place] = _all(there)[:13]
    assert answers == {"header": b"HTTP/1.1 422 ", "trailer": b"HTTP/1.1 401 "}


def test_a_body_in_many_small_pieces_is_read(bare_client: httpx.Client) -> None:
    body = b'{"devices": []' + b" " * 20_000 + b"}"
    pieces = b"".join(b"1;p=1\r\n" + body[i : i + 1] + b"\r\n" for i in range(len(body)))
    assert len(pieces) > 2 * MOST_HEAD_BYTES
    key = b"X-API-Key: " + bare_client.headers["X-API-Key"].encode() + b"\r\n"
    with _connected(bare_client) as there:
        there.sendall(ASKING + CHUNKED + b"Connection: close\r\n" + key + b"\r\n" + pieces + b"0\r\n\r\n")
        assert _all(there).startswith(b"HTTP/1.1 422 ")


def test_headers_just_too_long_are_told_so(bare_client: httpx.Client) -> None:
    with _connected(bare_client) as there:
        there.sendall(LINE + b"X-Long: " + b"a" * MOST_HEAD_BYTES)
        assert _all(there).startswith(b"HTTP/1.1 431 ")


def test_headers_of_half_the_size_are_read_in_however_many_parts(bare_client: httpx.Client) -> None:
    with _connected(bare_client) as there:
        for _ in range(3):  # the size is that of one request, not of all on a connection
            whole = LINE + b"X-Long: " + b"a" * (MOST_HEAD_BYTES // 2) + b"\r\n\r\n"
            for i in range(0, len(whole), 4096):
                there.sendall(whole[i : i + 4096])
            assert there.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("begun", [b"", LINE, b"G"])
def test_a_connection_that_never_asks_is_closed(
    bare_client: httpx.Client, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN_S", 0.2)
    with _connected(bare_client) as there:
        there.sendall(begun)
        assert _all(there) == b""


@pytest.mark.parametrize("begun", [LINE, b"\r\n"], ids=["headers", "an empty line"])
def test_a_later_request_that_never_ends_is_closed_too(
    bare_client: httpx.Client, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN_S", 1.0)
    with _connected(bare_client) as there:
        there.sendall(LINE + b"\r\n")
        assert there.recv(65536).startswith(b"HTTP/1.1 200 ")
        there.sendall(begun)
        assert b"HTTP/1.1" not in _all(there)


def test_a_body_that_never_ends_is_not_taken_after_the_answer(
    bare_client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN_S", 0.3)
    head = b"POST /v1/failure-risk HTTP/1.1\r\nHost: service\r\nContent-Length: 1000\r\n\r\n"
    with _connected(bare_client) as there:
        there.sendall(head)
        assert there.recv(65536).startswith(b"HTTP/1.1 401 ")
        there.sendall(b"x")
        assert b"HTTP/1.1" not in _all(there)


def test_an_answer_may_take_longer_than_the_headers(bare_client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is up once the headers are there, however slowly the body follows."""
    monkeypatch.setattr(http_protocol, "HEAD_WITHIN_S", 0.3)
    body = b'{"devices": []}'
    head = b"POST /v1/failure-risk HTTP/1.1\r\nHost: service\r\nConnection: close\r\nContent-Type: application/json\r\n"
    key = b"X-API-Key: " + bare_client.headers["X-API-Key"].encode() + b"\r\n"
    with _connected(bare_client) as there:
        there.sendall(head + key + b"Content-Length: %d\r\n\r\n" % len(body))
        time.sleep(1.0)
        there.sendall(body)
        assert _all(there).startswith(b"HTTP/1.1 422 ")
