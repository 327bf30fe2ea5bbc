"""What one worker counts while it answers; a request costs a few microseconds.

Labels never hold what a caller sent: routes are those of the route table, methods and codes come from short lists.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from starlette.types import Scope

from aftercast.operations.database.forecasts import Kind
from aftercast.serving.metrics.catalogue import ANSWERED, CATALOGUE, DURATION, FAILED, IN_FLIGHT, REFUSALS, WORKERS
from aftercast.serving.response_cache import Fragment

BUCKETS_S: Final = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNKNOWN_METHOD: Final = "_OTHER"
"""Every other method, as OpenTelemetry names it: a method is any word that a caller likes."""
NO_ROUTE: Final = "none"
"""Route of a path that does not exist, and of a request that was refused before its route was looked for."""
NO_STATUS: Final = "none"
"""Status of a request whose caller left before the answer."""
KINDS: Final[tuple[Kind, ...]] = ("failure", "churn")
_CODE: Final = re.compile(rb'"type":"urn:aftercast:problem:([a-z-]{1,60})"')


def method_of(scope: Scope) -> str:
    """Method of a request, for figures, lines and spans."""
    method: str = scope["method"]
    return method if method in METHODS else UNKNOWN_METHOD


class Counting:
    """Counts of one application in this process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._durations = Histogram(
            DURATION.stem, DURATION.about, DURATION.labels, buckets=BUCKETS_S, registry=self._registry
        )
        self._in_flight = Gauge(IN_FLIGHT.stem, IN_FLIGHT.about, registry=self._registry)
        self._refusals = Counter(REFUSALS.stem, REFUSALS.about, REFUSALS.labels, registry=self._registry)
        self._answered = Counter(ANSWERED.stem, ANSWERED.about, ANSWERED.labels, registry=self._registry)
        self._failed = Counter(FAILED.stem, FAILED.about, FAILED.labels, registry=self._registry)
        for kind in KINDS:  # a rate needs to see the zero before the first
            self._answered.labels(kind)

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

    def answered(self, kind: Kind, fragments: Sequence[Fragment]) -> None:
        """Count the records of an answer."""
        failed = [each for each in fragments if not each.answered]
        self._answered.labels(kind).inc(len(fragments) - len(failed))
        for each in failed:
            self._failed.labels(kind, orjson.loads(each.audit)["error"]).inc()

    def collect(self) -> list[Metric]:
        """Counts so far, and what the process takes."""
        found = [*self._registry.collect(), *WORKERS.one(1)]
        for metric in found:
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
        return [*found, *_process()]


def _process() -> list[Metric]:
    """What the operating system says of this process, labelled with its id; nothing where there is no /proc."""
    pid = {"pid": f"{os.getpid()}"}
    found = []
    for metric in ProcessCollector(registry=None).collect():
        family = CATALOGUE[metric.name].empty()
        family.samples = [each._replace(labels=pid) for each in metric.samples]
        found.append(family)
    return found
