"""HTTP without trailers: fields after a body never count as headers."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class WithoutTrailers(HttpToolsProtocol):
    """uvicorn's protocol, which appends trailers to the headers of the request that is being answered.

    A key or a length among them would have passed by whatever checks headers before the service.
    """

    _in_head = True

    def on_message_begin(self) -> None:
        """Begin to read the headers of a request."""
        super().on_message_begin()
        self._in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; drop a trailer."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        self._in_head = False
        super().on_headers_complete()
