"""Whoever sends wrong keys on many connections keeps no caller with a good key from being answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event

from aftercast.data.fleet import Component, FleetSpec
from aftercast.data.workspace import Workspace, create_workspace
from aftercast.operations.database.keys import create_key
from aftercast.serving import auth, principals

CONNECTIONS = 260
PATIENCE_S = 60.0
Listening = Callable[[Workspace], AbstractContextManager[str]]


@contextmanager
def _unknown_keys_take_long(database: Engine, known: str) -> Iterator[threading.Event]:
    """Hold every look-up of a key other than the known one until the block ends or the event is set."""
    go_on = threading.Event()

    def wait(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "api_keys" in statement and known not in tuple(parameters):
            go_on.wait(PATIENCE_S)

    event.listen(database, "before_cursor_execute", wait)
    try:
        yield go_on
    finally:
        go_on.set()
        event.remove(database, "before_cursor_execute", wait)


async def _ask(url: httpx.URL, number: int, answered: asyncio.Queue[int]) -> None:
    reader, writer = await asyncio.open_connection(url.host, url.port)
    key = f"ac_{number:08x}_{'0' * 64}"
    writer.write(f"GET /v1/model HTTP/1.1\r\nHost: service\r\nX-API-Key: {key}\r\n\r\n".encode())
    answered.put_nowait(int((await reader.readline()).split()[1]))
    writer.close()


@pytest.mark.slow
def test_260_connections_with_wrong_keys_leave_a_good_caller_answered(
    listening: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(url: str, key: str, go_on: threading.Event) -> tuple[list[int], list[int]]:
        answered = asyncio.Queue[int]()
        async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": key}, timeout=PATIENCE_S) as client:
            good = [(await client.get("/openapi.json")).status_code]
            others = [asyncio.create_task(_ask(client.base_url, each, answered)) for each in range(CONNECTIONS)]
            refused = [await answered.get() for _ in range(CONNECTIONS - most_in_flight)]  # no place is left
            good += [(await client.get("/openapi.json")).status_code for _ in range(15)]
            go_on.set()
            await asyncio.gather(*others)
        return good, [*refused, *(answered.get_nowait() for _ in range(answered.qsize()))]

    monkeypatch.setattr(principals, "KEPT_S", 0.0)  # the good key is looked up for every request
    monkeypatch.setattr(auth, "MOST_WAITING", 64)
    workspace = create_workspace(tmp_path / "workspace", FleetSpec(name="bare", components=(Component(name="pump"),)))
    most_in_flight = workspace.settings.serving.max_in_flight
    key_id, key = create_key(workspace.database, "good")
    with _unknown_keys_take_long(workspace.database, key_id) as go_on, listening(workspace) as url:
        good, wrong = asyncio.run(run(url, key, go_on))
    assert good == [200] * 16
    assert (len(wrong), set(wrong)) == (CONNECTIONS, {401, 503})
