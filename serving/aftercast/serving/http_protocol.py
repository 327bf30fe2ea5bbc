"""HTTP below the application: what surrounds a body has a size and a time too, before anyone can ask for a key."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES: Final = 65_536
"""Bytes of a request's line and headers that are waited for, and of what comes between or after the pieces of a body;
what one read brings beyond it is looked at still."""
HEAD_WITHIN_S: Final = 10.0
TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 25\r\nconnection: close\r\n\r\n"
    b"The headers are too long."
)


class BoundedHead(HttpToolsProtocol):
    """uvicorn's protocol that waits neither for endless headers (431) nor for ever for their end (closes).

    Fields after a body (trailers) are read past, whatever they say: nobody here needs them, and a key, a length or an
    address among them would have passed by whatever checks headers before the service. Where they do not end, or the
    extensions of a chunk do not, the connection is closed.

    The time runs from the opening of a connection, and from the first bytes after an answer that do not bring all
    headers of the next request: its beginning, empty lines, the rest of a body that nobody wanted. What comes after the
    headers is limited by the application (see ``limits``).
    """

    _bytes = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; wait for the rest of headers that have only begun, refuse those that have grown too long."""
        self._bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._timer is None and (self._in_head or self.cycle.response_complete):
            self._wait()
        if self._bytes > MOST_HEAD_BYTES:
            self._refuse()

    def on_message_begin(self) -> None:
        """Begin to read the headers of a request."""
        super().on_message_begin()
        if not self._in_head:
            self._in_head = True
            self._bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes after the headers is a trailer, which is not taken."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop waiting, and hand the request on."""
        self._end()
        self._bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body on; how many there may be is for the application to say."""
        self._bytes = 0
        super().on_body(body)

    def _refuse(self) -> None:
        what = "Headers" if self._in_head else "What is sent beside a body"
        self.logger.warning("%s of more than %d bytes was refused.", what, MOST_HEAD_BYTES)
        if self._in_head:
            self.transport.write(TOO_LARGE)
        self.transport.close()

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEAD_WITHIN_S, self._too_slow)

    def _end(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
