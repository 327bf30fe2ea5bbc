"""How often one caller may ask: counted per caller in fixed windows; who asks more often is told when to come back.

A fixed window takes one step of a counter, here and in Redis, and its count tells what remains; the two sliding kinds
need two or more and keep more. Its price is that around the change of windows twice the limit can pass, which is no
harm where limits keep one runaway caller from the others.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from functools import lru_cache
from typing import Any, Final

from fastapi import Request
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.errors import ConfigurationError, StorageError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aftercast.operations.database.keys import check_rate
from aftercast.operations.errors import SettingsError
from aftercast.serving.errors import make_problem, problem_response, request_id_of
from aftercast.serving.principals import Caller

LOG: Final = logging.getLogger("aftercast.serving")
STORAGE_S: Final = 0.25
"""Longest wait for the storage; afterwards it counts as away."""
AWAY_S: Final = 5.0
"""Pause after the storage was found away, so that not every request waits for it."""


class RateLimit:
    """ASGI middleware: 429 for a caller who asks more often than its limit; stands behind authentication.

    Requests without a caller (the probes) are not counted. While the storage is away every request passes: a service
    that stops answering because its counter is gone harms more than one that answers too often.

    Parameters
    ----------
    default
        Limit of callers that have none of their own, as in ``600/minute``; empty for none.
    address
        ``memory://`` counts in this process, ``redis://host:port`` over all that share it.

    Raises
    ------
    SettingsError
        If the limit or the address is not understood.
    """

    def __init__(self, app: ASGIApp, default: str, address: str = "memory://") -> None:
        if default != "":
            check_rate(default)
        self.app = app
        self.default = default
        self.storage = _storage(address)
        self._away_until = -math.inf
        self._away = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a request and refuse it above the caller's limit."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        caller = scope.get("state", {}).get("caller")
        rate = None if caller is None else self._rate(caller)
        count = None if rate is None else await self._count(caller, rate)
        if rate is None or count is None:
            await self.app(scope, receive, send)
        elif count > rate.amount:
            await self._refuse(rate, await self._wait_s(caller, rate))(scope, receive, send)
        else:
            await self.app(scope, receive, _telling(send, rate, rate.amount - count))

    def _rate(self, caller: Caller) -> RateLimitItem | None:
        text = self.default if caller.rate_limit is None else caller.rate_limit
        return None if text == "" else _parsed(text)

    async def _count(self, caller: Caller, rate: RateLimitItem) -> int | None:
        """Requests of this window with this one, None while they cannot be counted."""
        if isinstance(self.storage, MemoryStorage):  # never away, and quicker than a timer
            return await self.storage.incr(_key(caller, rate), rate.get_expiry())
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(STORAGE_S):
                count = await self.storage.incr(_key(caller, rate), rate.get_expiry())
        except (StorageError, TimeoutError) as error:
            self._note_away(error)
            return None
        self._note_back()
        return count

    async def _wait_s(self, caller: Caller, rate: RateLimitItem) -> int:
        """Whole seconds until the window ends, at least one."""
        try:
            async with asyncio.timeout(STORAGE_S):
                end = await self.storage.get_expiry(_key(caller, rate))
        except (StorageError, TimeoutError):
            return rate.get_expiry()
        return min(max(math.ceil(end - time.time()), 1), rate.get_expiry())

    def _refuse(self, rate: RateLimitItem, wait_s: int) -> ASGIApp:
        async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
            problem = make_problem(
                429,
                "rate-limited",
                "Too many requests",
                f"The caller may ask {rate.amount} times in {rate.get_expiry()} seconds and has asked more often.",
                f"Ask again in {wait_s} seconds, or ask for more devices at a time.",
            )
            headers = {"Retry-After": str(wait_s), **_headers(rate, 0), "RateLimit": f'"caller";r=0;t={wait_s}'}
            await problem_response(problem, request_id_of(Request(scope)), headers)(scope, receive, send)

        return refuse

    def _note_away(self, error: Exception) -> None:
        self._away_until = time.monotonic() + AWAY_S
        if not self._away:
            cause = error.storage_error if isinstance(error, StorageError) else error
            LOG.warning("requests cannot be counted, all pass: %s", type(cause).__name__)
        self._away = True

    def _note_back(self) -> None:
        if self._away:
            LOG.info("requests are counted again")
        self._away = False

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if isinstance(self.storage, RedisStorage) and isinstance(self.storage.bridge, RedispyBridge):
                client: Any = self.storage.bridge.get_connection()
                await client.aclose()


def _telling(send: Send, rate: RateLimitItem, remaining: int) -> Send:
    """Send that adds what remains of the limit to the answer."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_raw_headers(rate, remaining)]
        await send(message)

    return tell


def _headers(rate: RateLimitItem, remaining: int) -> dict[str, str]:
    """Headers of draft-ietf-httpapi-ratelimit-headers; ``t``, which is optional there, only comes with a refusal."""
    return {
        "RateLimit-Policy": f'"caller";q={rate.amount};w={rate.get_expiry()}',
        "RateLimit": f'"caller";r={remaining}',
    }


def _raw_headers(rate: RateLimitItem, remaining: int) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in _headers(rate, remaining).items()]


def _key(caller: Caller, rate: RateLimitItem) -> str:
    return _kept_key(caller.caller_id, rate)


@lru_cache(maxsize=1000)
def _kept_key(caller_id: str, rate: RateLimitItem) -> str:
    return rate.key_for("aftercast", caller_id)


@lru_cache(maxsize=1000)
def _parsed(text: str) -> RateLimitItem:
    return parse(text)


def _storage(address: str) -> Storage:
    if address == "memory://":
        return MemoryStorage()
    if address.startswith(("redis://", "rediss://")):
        return _redis(address)
    raise SettingsError("serving.rate_limit_address is not understood.", "Use memory:// or redis://host:port.")


def _redis(address: str) -> Storage:
    try:
        return RedisStorage(f"async+{address}", wrap_exceptions=True, implementation="redispy")
    except (ConfigurationError, ValueError) as error:
        raise SettingsError(
            "serving.rate_limit_address cannot be used.", "Check host and port, and that the redis client is installed."
        ) from error
