"""A trailer is no header."""

from __future__ import annotations

import socket

import httpx

PATIENCE_S = 60.0
ASKING = (
    b"POST /v1/failure-risk HTTP/1.1\r\nHost: service\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
)


def _first_line(client: httpx.Client, request: bytes) -> bytes:
    address = (client.base_url.host, client.base_url.port or 0)
    with socket.create_connection(address, timeout=PATIENCE_S) as there:
        there.sendall(request)
        return b"".join(iter(lambda: there.recv(65536), b""))[:13]


def test_a_key_in_a_trailer_does_not_count(bare_client: httpx.Client) -> None:
    key = b"X-API-Key: " + bare_client.headers["X-API-Key"].encode() + b"\r\n"
    body = b"\r\n2\r\n{}\r\n0\r\n"
    answers = [
        _first_line(bare_client, ASKING + key + body + b"\r\n"),
        _first_line(bare_client, ASKING + body + key + b"\r\n"),
    ]
    assert answers == [b"HTTP/1.1 422 ", b"HTTP/1.1 401 "]
