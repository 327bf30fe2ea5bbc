"""Metrics of requests, counted while they are answered; a request costs a few microseconds.

With several workers the client library keeps them in files of a folder that `aftercast serve` makes, and whichever
worker is scraped adds them up (its multiprocess mode).

Labels never hold what a caller sent: routes are those of the route table, methods and codes come from short lists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import Scope

from aftercast.serving.errors import TYPE_PREFIX
from aftercast.serving.kinds import served_kinds
from aftercast.serving.metrics.catalogue import (
    ANSWERED,
    CATALOGUE,
    DURATION,
    FAILED,
    IN_FLIGHT,
    REFUSALS,
    WORKERS,
    Family,
)
from aftercast.serving.response_cache import Fragment

BUCKETS_S: Final = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN_METHOD: Final = "_OTHER"
"""Every other method, as OpenTelemetry names it: a method is any word that a caller likes."""
NO_ROUTE: Final = "none"
"""Route of a path that does not exist, and of a request that was refused before its route was looked for."""
NO_STATUS: Final = "none"
"""Status of a request whose caller left before the answer."""
_CODE: Final = re.compile(rf'"type":"{TYPE_PREFIX}([a-z-]{{1,60}})"'.encode())


def method_of(scope: Scope) -> str:
    """Method of a request, for metrics, lines and spans."""
    method: str = scope["method"]
    return method if method in METHODS else UNKNOWN_METHOD


class RequestMetrics:
    """Counts of one application in this process.

    Parameters
    ----------
    folder
        Shared by the workers of the service; None for a service of one process.
    """

    def __init__(self, folder: Path | None) -> None:
        self._registry = CollectorRegistry()
        self._counted: Collector = self._registry
        if folder is None:
            ProcessCollector(registry=self._registry)
        else:
            self._counted = MultiProcessCollector(None, f"{folder}")  # type: ignore[no-untyped-call]
        self._durations = Histogram(
            DURATION.stem, DURATION.about, DURATION.labels, buckets=BUCKETS_S, registry=self._registry
        )
        self._in_flight = self._live(IN_FLIGHT)
        self._live(WORKERS).set(1)
        self._refusals = self._counter(REFUSALS)
        self._answered = self._counter(ANSWERED)
        self._failed = self._counter(FAILED)
        for kind in served_kinds():  # a rate needs to see the zero before the first
            self._answered.labels(kind)

    def _live(self, family: Family) -> Gauge:
        """Gauge that counts no worker that has ended."""
        return Gauge(family.stem, family.about, registry=self._registry, multiprocess_mode="livesum")

    def _counter(self, family: Family) -> Counter:
        return Counter(family.stem, family.about, family.labels, registry=self._registry)

    def begun(self) -> None:
        """Count a request that begins."""
        self._in_flight.inc()

    def ended(self, scope: Scope, status: int | None, seconds: float, refusal: bytes) -> None:
        """Count a request that ended.

        Parameters
        ----------
        status
            None where nothing was answered.
        refusal
            First part of the body where the status is 400 or more.
        """
        self._in_flight.dec()
        route: str = getattr(scope.get("route"), "path", NO_ROUTE)
        outcome = NO_STATUS if status is None else f"{status // 100}xx"
        self._durations.labels(route, method_of(scope), outcome).observe(seconds)
        code = _CODE.search(refusal) if refusal else None
        if code is not None:
            self._refusals.labels(code[1].decode()).inc()

    def answered(self, kind: str, fragments: Sequence[Fragment]) -> None:
        """Count the records of an answer."""
        failed = [each for each in fragments if not each.answered]
        self._answered.labels(kind).inc(len(fragments) - len(failed))
        for each in failed:
            self._failed.labels(kind, orjson.loads(each.audit)["error"]).inc()

    def collect(self) -> list[Metric]:
        """Counts of all workers; of what other libraries count in the same folder nothing."""
        found = [each for each in self._counted.collect() if each.name in CATALOGUE]
        for metric in found:
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
        return found
