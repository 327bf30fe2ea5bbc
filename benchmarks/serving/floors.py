"""Servers that do nothing: what HTTP alone costs, and how fast the load generator can ask at all.

``python -m benchmarks.serving.floors WHICH --port N`` runs one. The options of uvicorn are those of `aftercast serve`.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import Final

import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response

from aftercast.serving.wire.questions import DeviceRiskRequest

HOST: Final = "127.0.0.1"
SMALL: Final = b'{"probability":0.5}'
PATH: Final = "/v1/failure-risk"


def empty(_size: int) -> FastAPI:
    """Application with one route that reads no body and returns a constant."""
    app = FastAPI()

    @app.post(PATH)
    async def answer(_request: Request) -> Response:
        return Response(SMALL, media_type="application/json")

    return app


def validating(size: int) -> FastAPI:
    """Application that validates our request and returns as many bytes as our answer has."""
    app = FastAPI()
    body = SMALL + b" " * (size - len(SMALL))

    @app.post(PATH)
    async def answer(_asked: DeviceRiskRequest) -> Response:
        return Response(body, media_type="application/json")

    return app


APPS: Final[dict[str, Callable[[int], FastAPI]]] = {"empty": empty, "validating": validating}


class _Constant(asyncio.Protocol):
    """Answers whatever ends a request of one packet, without reading it."""

    RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(SMALL) + SMALL

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        self.transport.write(self.RESPONSE)  # type: ignore[attr-defined]


async def _raw(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Constant, HOST, port)
    await server.serve_forever()


def main() -> None:
    """Run one until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=("raw", *APPS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--size", type=int, default=len(SMALL), help="bytes of the answer")
    asked = parser.parse_args()
    if asked.which == "raw":
        uvloop.run(_raw(asked.port))
        return
    uvicorn.run(
        APPS[asked.which](asked.size),
        host=HOST,
        port=asked.port,
        loop="auto",
        http="auto",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main()
