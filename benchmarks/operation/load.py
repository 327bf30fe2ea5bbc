"""A load generator over raw sockets, in a process of its own so that it never shares an interpreter with a server.

Each connection is kept alive and asks again as soon as it was answered (a closed loop), so that what is measured is the
server. How fast the generator itself can go is measured like any server, see ``benchmarks.serving.floors``.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final, cast

import httptools
import uvloop
from benchmarks.operation.processes import on_cores

HOST: Final = "127.0.0.1"
PATIENCE_S: Final = 120.0
SAMPLES: Final = 20
"""So many answers are kept whole, spread evenly, to be checked afterwards."""


def post(path: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Bytes of a POST of JSON."""
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass(frozen=True)
class Load:
    """What to ask, and for how long.

    Attributes
    ----------
    requests
        Whole HTTP requests, asked in turn, from the first again after the last.
    most, seconds
        No request is begun after so many, or after so long; those begun are waited for.
    needle
        What an answer must hold; one that is not 200 or lacks it counts as an error.
    """

    port: int
    requests: tuple[bytes, ...]
    connections: int
    most: int
    seconds: float
    needle: bytes


@dataclass
class Measured:
    """What came back.

    Attributes
    ----------
    latencies_ns
        From handing the request to the socket until the last byte of its answer, errors included.
    errors
        What was wrong -> how often.
    samples
        Place of the request in ``Load.requests``, and the body of its answer.
    seconds
        From the first request to the last answer.
    """

    latencies_ns: list[int] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[int, bytes]] = field(default_factory=list)
    seconds: float = 0.0


class LoadProcess:
    """The process that asks; made by :func:`load_process`."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def run(self, load: Load) -> Measured:
        """Ask, and wait for what came back.

        Raises
        ------
        RuntimeError
            If the process ended; its traceback is on standard error.
        """
        try:
            self._pipe.send(load)
            found: Measured = self._pipe.recv()
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError("the load generator ended") from error
        return found


@contextmanager
def load_process(cores: frozenset[int]) -> Iterator[LoadProcess]:
    """Process that asks for the length of a with block, on these cores (on any where there are none)."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), name="load generator")
    with on_cores(cores):
        process.start()
    theirs.close()
    try:
        yield LoadProcess(ours)
    finally:
        ours.close()
        process.join(PATIENCE_S)


def _serve(pipe: Connection) -> None:
    """Run what comes through the pipe until it is closed."""
    while True:
        try:
            load = pipe.recv()
        except EOFError:
            return
        gc.collect()
        gc.disable()  # a collection in the middle would be counted as latency of the server
        measured = uvloop.run(_drive(load))
        gc.enable()
        pipe.send(measured)


async def _drive(load: Load) -> Measured:
    loop = asyncio.get_running_loop()
    run = _Run(load, loop.create_future())
    lines = [(await loop.create_connection(lambda: _Line(run), HOST, load.port))[1] for _ in range(load.connections)]
    began = run.begin()
    for line in lines:
        line.ask()
    async with asyncio.timeout(load.seconds + PATIENCE_S):
        await run.finished
    run.measured.seconds = time.perf_counter() - began
    for line in lines:
        line.close()
    return run.measured


class _Run:
    """What the connections of one run share: whose turn it is, and what came back."""

    def __init__(self, load: Load, finished: asyncio.Future[None]) -> None:
        self.finished = finished
        self.measured = Measured()
        self._load = load
        self._begun = 0
        self._busy = load.connections
        self._deadline = 0.0
        self._every = max(1, min(load.most, 10_000) // SAMPLES)

    def begin(self) -> float:
        """Start the clock; seconds of it."""
        now = time.perf_counter()
        self._deadline = now + self._load.seconds
        return now

    def next(self) -> int | None:
        """Place of the request to send, None where it is enough."""
        if self._begun >= self._load.most or time.perf_counter() >= self._deadline:
            return None
        place = self._begun % len(self._load.requests)
        self._begun += 1
        return place

    def request(self, place: int) -> bytes:
        """Bytes of a request."""
        return self._load.requests[place]

    def note(self, place: int, status: int, body: bytes, took_ns: int) -> None:
        """Count an answer."""
        found = self.measured
        if status != 200:
            found.errors[f"status {status}"] += 1
        elif self._load.needle not in body:
            found.errors["no probability"] += 1
        elif len(found.samples) < SAMPLES and len(found.latencies_ns) % self._every == 0:
            found.samples.append((place, body))
        found.latencies_ns.append(took_ns)

    def leave(self, error: str | None = None) -> None:
        """Count a connection that asks no more."""
        if error is not None:
            self.measured.errors[error] += 1
        self._busy -= 1
        if self._busy == 0 and not self.finished.done():
            self.finished.set_result(None)


class _Line(asyncio.Protocol):
    """One connection: asks, reads the answer, asks again."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._place: int | None = None
        self._began_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the way out."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its bases

    def ask(self) -> None:
        """Send the next request, or leave where there is none."""
        assert self._transport is not None
        self._place = self._run.next()
        if self._place is None:
            self._run.leave()
            return
        request = self._run.request(self._place)
        self._began_ns = time.perf_counter_ns()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Read a part of an answer."""
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        """Keep a part of a body; called by the parser."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Count the answer and ask again; called by the parser."""
        took_ns = time.perf_counter_ns() - self._began_ns
        body, self._parts = b"".join(self._parts), []
        if self._place is not None:
            self._run.note(self._place, self._parser.get_status_code(), body, took_ns)
        self.ask()

    def connection_lost(self, _error: Exception | None) -> None:
        """Count a request that was never answered."""
        if self._place is not None:
            self._place = None
            self._run.leave("connection lost")

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()
