"""One question put to one server: warmed, asked for a while with the other servers paused, and checked."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import psutil
from benchmarks.operation.load import Load, LoadProcess, Measured
from benchmarks.operation.processes import Part
from benchmarks.serving.questions import Question

WARM_S: Final = 0.3
ALL_ONCE_S: Final = 20.0
"""Longest time to ask each kept question once before the first measurement."""
IDLE_S: Final = 0.1
IDLE_SHARE: Final = 0.3
IDLE_WITHIN_S: Final = 120.0
NO_END: Final = 10**9


@dataclass(frozen=True)
class Server:
    """A running server and its port."""

    part: Part
    port: int


@dataclass(frozen=True)
class Row:
    """What was measured of a question at one concurrency.

    Attributes
    ----------
    p50_ms, p95_ms, p99_ms
        Of all requests, those with errors included.
    difference
        Largest distance of a probability from the reference, None where there was nothing to compare.
    compared
        How many probabilities were.
    """

    what: str
    server: str
    devices: int
    records: int
    connections: int
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    requests_per_s: float
    devices_per_s: float
    errors: Mapping[str, int] = field(default_factory=dict)
    difference: float | None = None
    compared: int = 0


class Runner:
    """Puts questions to servers, of which only the one that is asked runs.

    Parameters
    ----------
    reference
        Device -> probability that every server has to say.
    """

    def __init__(self, load: LoadProcess, servers: Mapping[str, Server], reference: Mapping[str, float]) -> None:
        self._load = load
        self._servers = servers
        self._reference = reference
        self._round = 0
        self.answered = 0
        for server in servers.values():
            server.part.pause()

    def warm(self, question: Question) -> None:
        """Ask each request that will come again once, so that what is kept of it is kept."""
        if not question.fresh:
            with self._awake(question):
                self._ask(question, 1, ALL_ONCE_S, len(question.requests(0)))

    def measure(self, question: Question, connections: int, seconds: float) -> Row:
        """Ask for so long over so many connections."""
        with self._awake(question):
            self._ask(question, connections, WARM_S)
            found = self._ask(question, connections, seconds)
        fine = len(found.latencies_ns) - sum(found.errors.values())
        p50, p95, p99 = (float(each) for each in np.percentile(np.array(found.latencies_ns) / 1e6, [50, 95, 99]))
        difference, compared = self._compare(question, found)
        return Row(
            what=question.what,
            server=question.server,
            devices=question.devices,
            records=question.records,
            connections=connections,
            requests=len(found.latencies_ns),
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
            requests_per_s=fine / found.seconds,
            devices_per_s=fine * question.devices / found.seconds,
            errors=dict(found.errors),
            difference=difference,
            compared=compared,
        )

    def _ask(self, question: Question, connections: int, seconds: float, most: int = NO_END) -> Measured:
        self._round += 1
        requests = question.requests(self._round)
        most = len(requests) if question.fresh else most
        port = self._servers[question.server].port
        found = self._load.run(Load(port, requests, connections, most, seconds, question.needle))
        if question.server == "aftercast":
            self.answered += len(found.latencies_ns) - sum(found.errors.values())
        return found

    @contextmanager
    def _awake(self, question: Question) -> Iterator[None]:
        part = self._servers[question.server].part
        part.resume()
        try:
            _wait_idle(part)  # with what it still computes of requests that were refused
            yield
        finally:
            part.pause()

    def _compare(self, question: Question, found: Measured) -> tuple[float | None, int]:
        if question.read is None:
            return None, 0
        said = [pair for place, body in found.samples for pair in question.read(place, body).items()]
        away = [float("inf") if value is None else abs(value - self._reference[each]) for each, value in said]
        return max(away, default=None), len(away)


def _wait_idle(part: Part) -> None:
    """Wait until a part and its children hardly compute."""
    deadline = time.monotonic() + IDLE_WITHIN_S
    used = _processor_s(part)
    while time.monotonic() < deadline:
        time.sleep(IDLE_S)
        before, used = used, _processor_s(part)
        if used - before < IDLE_SHARE * IDLE_S:
            return


def _processor_s(part: Part) -> float:
    if part.process is None:
        return 0.0
    parent = psutil.Process(part.process.pid)
    times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))
