"""OpenTelemetry's side of tracing; imported only where a collector is configured.

Spans wait in a queue that a thread of the library's own sends in batches. While the collector is away they are dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import Scope

from aftercast.operations.settings import TracingSettings
from aftercast.serving.metrics.requests import method_of

TIMEOUT_S: Final = 3
"""Within which the collector has to take a batch; also the longest that stopping waits for it."""
PATH: Final = "/v1/traces"
_PROPAGATOR: Final = TraceContextTextMapPropagator()


@dataclass(frozen=True)
class RequestSpan:
    """Span of one request."""

    span: Span

    def end(self, scope: Scope, status: int | None) -> None:
        """Write down how the request ended; its route is known only now."""
        route = getattr(scope.get("route"), "path", None)
        if route is not None:
            self.span.update_name(f"{method_of(scope)} {route}")
            self.span.set_attribute("http.route", route)
        if status is not None:
            self.span.set_attribute("http.response.status_code", status)
        if status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.span.set_status(Status(StatusCode.ERROR))


class Collector:
    """Makes spans and sends them."""

    def __init__(self, settings: TracingSettings) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # each failed batch; traces are not worth lines
        resource = Resource({"service.name": "aftercast", "service.version": version("aftercast")})
        sampler = ParentBased(TraceIdRatioBased(settings.sampled))
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{settings.address.rstrip('/')}{PATH}", timeout=TIMEOUT_S)
        self._exporter = BatchSpanProcessor(exporter)
        self._provider.add_span_processor(self._exporter)
        self._tracer = self._provider.get_tracer("aftercast.serving")

    @contextmanager
    def request(self, scope: Scope) -> Iterator[RequestSpan]:
        """Span of a request, within that of its caller where a ``traceparent`` header names one."""
        parent = _PROPAGATOR.extract({"traceparent": Headers(scope=scope).get("traceparent", "")})
        method = method_of(scope)
        attributes = {"http.request.method": method, "aftercast.request_id": scope["state"]["request_id"]}
        with self._tracer.start_as_current_span(
            method,
            context=parent,
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,  # its text may quote what was asked
            set_status_on_exception=False,
        ) as span:
            yield RequestSpan(span)

    def step(self, name: str) -> AbstractContextManager[Any]:
        """Span within that of the request."""
        return self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False)

    def close(self) -> None:
        """Send what waits, and stop the thread."""
        self._exporter.force_flush(TIMEOUT_S * 1000)
        self._provider.shutdown()
