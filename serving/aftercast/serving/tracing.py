"""Traces: a span for each request and for the steps in it that take time, where a collector is configured.

Nothing here loads OpenTelemetry; without an address a step costs the look at one variable. Spans hold routes, statuses
and request ids, never what was asked about.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.operations.errors import SettingsError
from aftercast.operations.settings import TracingSettings

if TYPE_CHECKING:  # only who traces needs it
    from aftercast.serving.collector import Collector

_TRACING: Final[ContextVar[Collector | None]] = ContextVar("aftercast_tracing", default=None)
_NO_STEP: Final = nullcontext()


def step(name: str) -> AbstractContextManager[Any]:
    """Span of a part of the request that is being answered, for the length of a with block; nothing outside of one."""
    collector = _TRACING.get()
    return _NO_STEP if collector is None else collector.step(name)


def collector_of(settings: TracingSettings) -> Collector | None:
    """Where spans go, None without an address.

    Raises
    ------
    SettingsError
        If there is an address and OpenTelemetry is not installed.
    """
    if settings.address == "":
        return None
    try:
        made: Collector = importlib.import_module("aftercast.serving.collector").Collector(settings)
    except ImportError as error:
        raise SettingsError(
            "tracing.address is set, but OpenTelemetry is not installed.",
            "Install aftercast[tracing], or leave tracing.address empty.",
        ) from error
    return made


@contextmanager
def tracing(collector: Collector | None) -> Iterator[None]:
    """Send what is left when the block ends; no longer than a few seconds."""
    try:
        yield
    finally:
        if collector is not None:
            collector.close()


class Tracing:
    """ASGI middleware: one span for each request; nothing at all without a collector."""

    def __init__(self, app: ASGIApp, collector: Collector | None) -> None:
        self.app = app
        self.collector = collector

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on within a span."""
        if scope["type"] != "http" or self.collector is None:
            await self.app(scope, receive, send)
            return
        _TRACING.set(self.collector)
        status: int | None = None

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with self.collector.request(scope) as span:
            try:
                await self.app(scope, receive, sending)
            finally:
                span.end(scope, status)
