"""How often one caller may ask: counted per caller and process in fixed windows.

A fixed window takes one step of a counter, and its count says what remains. Its price is that around the change of
windows twice the limit can pass, which is no harm where limits keep one runaway caller from the others.
"""

from __future__ import annotations

import math
import time
from functools import lru_cache

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.operations.database.keys import check_rate
from aftercast.serving.principals import Caller
from aftercast.serving.problems import RATE_LIMITED


class RateLimit:
    """ASGI middleware: 429 for a caller who asks more often than its limit; stands behind authentication.

    Requests without a caller (the probes) are not counted.

    Parameters
    ----------
    default
        Limit of callers that have none of their own, as in ``600/minute``; empty for none.

    Raises
    ------
    SettingsError
        If the limit is not understood.
    """

    def __init__(self, app: ASGIApp, default: str) -> None:
        if default != "":
            check_rate(default)
        self.app = app
        self.default = default
        self.counts = MemoryStorage()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a request and refuse it above the caller's limit."""
        caller = scope.get("state", {}).get("caller")
        rate = None if caller is None else self._rate(caller)
        if rate is None:
            await self.app(scope, receive, send)
            return
        key = _key(caller.caller_id, rate)
        count = await self.counts.incr(key, rate.get_expiry())
        if count <= rate.amount:
            await self.app(scope, receive, _adding(_headers(rate, rate.amount - count), send))
            return
        wait_s = _wait_s(await self.counts.get_expiry(key), rate)
        more = [("Retry-After", f"{wait_s}"), *_headers(rate, 0, f";t={wait_s}")]
        raise RATE_LIMITED.error(amount=rate.amount, window_s=rate.get_expiry(), wait_s=wait_s, headers=more)

    def _rate(self, caller: Caller) -> RateLimitItem | None:
        text = self.default if caller.rate_limit is None else caller.rate_limit
        return None if text == "" else _parsed(text)


def _wait_s(end: float, rate: RateLimitItem) -> int:
    """Whole seconds until a window ends, at least one."""
    return min(max(math.ceil(end - time.time()), 1), rate.get_expiry())


def _adding(headers: list[tuple[str, str]], send: Send) -> Send:
    """Send that adds headers to the answer."""
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *raw]
        await send(message)

    return add


def _headers(rate: RateLimitItem, remaining: int, more: str = "") -> list[tuple[str, str]]:
    """Headers of draft-ietf-httpapi-ratelimit-headers; ``t``, which is optional there, only comes with a refusal."""
    policy = f'"caller";q={rate.amount};w={rate.get_expiry()}'
    return [("RateLimit-Policy", policy), ("RateLimit", f'"caller";r={remaining}{more}')]


@lru_cache(maxsize=1000)
def _key(caller_id: str, rate: RateLimitItem) -> str:
    return rate.key_for("aftercast", caller_id)


@lru_cache(maxsize=1000)
def _parsed(text: str) -> RateLimitItem:
    return parse(text)
