"""Whether a caller with a good key is answered beside 260 connections that try wrong keys, by `aftercast serve`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.operation.processes import answers, free_port, service

from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.workspace import create_workspace
from aftercast.operations.database.keys import KEY_PREFIX, create_key
from aftercast.operations.environment import quiet_libraries

OK: Final = 200
PAUSE_S: Final = 0.2
"""Between two requests of the good caller: over all of them its key has to be looked up again several times."""


class Connection:
    """A connection that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, port: int) -> Connection:
        """Open one."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, key: str) -> int:
        """Ask with a key; returns the status."""
        self._writer.write(f"GET /openapi.json HTTP/1.1\r\nHost: service\r\nX-API-Key: {key}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(head.split()[1])

    def close(self) -> None:
        """Close it."""
        self._writer.close()


def _invented() -> str:
    return f"{KEY_PREFIX}{secrets.token_hex(4)}_{secrets.token_hex(32)}"


async def _try_keys(port: int, found: Counter[int]) -> None:
    line = await Connection.to(port)
    try:
        while True:
            found[await line.ask(_invented())] += 1
    finally:
        line.close()


async def measure(port: int, key: str, *, connections: int, requests: int) -> tuple[Counter[int], Counter[int]]:
    """Statuses of the good caller's requests, and of the others'."""
    good, wrong = Counter[int](), Counter[int]()
    others = [asyncio.create_task(_try_keys(port, wrong)) for _ in range(connections)]
    line = await Connection.to(port)
    for _ in range(requests):
        await asyncio.sleep(PAUSE_S)
        good[await line.ask(key)] += 1
    line.close()
    for each in others:
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each
    return good, wrong


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks wrong-keys", description=__doc__)
    parser.add_argument("--connections", type=int, default=260, help="connections that try wrong keys")
    parser.add_argument("--requests", type=int, default=50, help="requests of the caller with a good key")
    asked = parser.parse_args()
    quiet_libraries()
    with tempfile.TemporaryDirectory(prefix="aftercast-wrong-keys-") as name:
        fleet = FleetSpec(name="keys", components=(Component(name="pump"),))
        workspace = create_workspace(Path(name) / "workspace", fleet)
        _, key = create_key(workspace.database, "good")
        serving = service(workspace.folder, port := free_port(), Path(name) / "service.log")
        serving.ready = lambda: answers(f"http://127.0.0.1:{port}/health")  # it has no model, and needs none here
        try:
            serving.start()
            good, wrong = asyncio.run(measure(port, key, connections=asked.connections, requests=asked.requests))
        finally:
            serving.end()
    print(f"good key: {good[OK]} of {good.total()} requests answered; statuses {dict(good)}")
    print(f"{asked.connections} connections with wrong keys: {wrong.total()} refusals; statuses {dict(wrong)}")


if __name__ == "__main__":
    main()
