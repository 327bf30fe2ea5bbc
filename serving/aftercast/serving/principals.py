"""Who asks: a key or a token, what it may do and whose devices it may see; remembered for a second without SQL."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aftercast.operations.database.keys import KEY_PREFIX, ApiKey, is_key, verify_key
from aftercast.operations.errors import WorkspaceError
from aftercast.serving.errors import is_away
from aftercast.serving.problems import KEYS_UNAVAILABLE

LOG: Final = logging.getLogger("aftercast.serving")
KEPT_S: Final = 1.0
"""How long a caller is remembered: a revoked key works at most this much longer."""
GRACE_S: Final = 300.0
"""How long a key goes on working after it was last verified while the database is away."""
RETRY_S: Final = 1.0
"""Pause after the database was found away, so that not every request waits for it."""
REFUSED_S: Final = 1.0
"""How long a key or token that does not work is remembered: one made in this time works that much later."""
MOST_KEPT: Final = 1000
LONGEST: Final = 8192
"""Characters of a key or token that are looked at; longer ones are refused unread."""

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Caller:
    """Someone who asks.

    Attributes
    ----------
    caller_id
        The key's id; for a token, ``token:`` and its subject, so that it can never be a key's id.
    outlets
        Outlets whose devices are seen; None sees all.
    rate_limit
        Its own limit, as in ``600/minute``; None has the service's.
    """

    caller_id: str
    name: str
    scopes: tuple[str, ...]
    outlets: frozenset[str] | None
    rate_limit: str | None
    kind: Literal["key", "token"]

    def allows(self, scope: str) -> bool:
        """Whether a scope is granted; ``admin`` may everything."""
        return scope in self.scopes or "admin" in self.scopes

    def sees_outlet(self, outlet_id: str | None) -> bool:
        """Whether devices of an outlet are seen; those of none, also as a missing value, only by who sees all."""
        return self.outlets is None or outlet_id in self.outlets


@dataclass(frozen=True)
class Verified:
    """A caller whose key or token is genuine.

    Attributes
    ----------
    until
        First instant (seconds since 1970 UTC) at which it no longer works; infinite where it does not expire.
    """

    caller: Caller
    until: float


@dataclass(frozen=True)
class _Kept:
    verified: Verified
    looked_up_at: float

    def works(self, now: float, longest_s: float) -> bool:
        return now - self.looked_up_at < longest_s and time.time() < self.verified.until


class Callers:
    """Finds who presents a key or token; safe for threads.

    Parameters
    ----------
    database
        Gives the database with the keys; called when one has to be looked up.
    tokens
        Verifies a token, None where it is not genuine; without it every token is refused.
    clock
        Seconds that only go forward.
    """

    def __init__(
        self,
        database: Callable[[], Engine],
        tokens: Callable[[str], Verified | None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._kept: dict[bytes, _Kept] = {}
        self._refused: dict[bytes, float] = {}
        self._writing = threading.Lock()
        self._away_until = -math.inf
        self._away = False

    def cached(self, presented: str) -> Caller | None:
        """Return who was found less than :data:`KEPT_S` ago and works still; takes microseconds and asks nobody."""
        kept = self._kept.get(_digest(presented))
        return kept.verified.caller if kept is not None and kept.works(self._clock(), KEPT_S) else None

    def refused(self, presented: str) -> bool:
        """Whether a key or token was found not to work less than :data:`REFUSED_S` ago; asks nobody."""
        refused_at = self._refused.get(_digest(presented))
        return refused_at is not None and self._clock() - refused_at < REFUSED_S

    def remembered(self, presented: str) -> bool:
        """Whether a key or token worked when it was last looked up, however long ago."""
        return _digest(presented) in self._kept

    def find(self, presented: str) -> Caller | None:
        """Return who presents a key or token, None if it does not work; may wait for the database or the issuer.

        Raises
        ------
        ProblemError
            503 if the database or the issuer is away and the key or token cannot be judged without it.
        """
        if len(presented) > LONGEST:
            return None
        known = self.cached(presented)  # looked up by another request while this one waited for a thread
        if known is not None or self.refused(presented):
            return known
        now = self._clock()
        if presented.startswith(KEY_PREFIX):
            return self._find_key(presented, now) if is_key(presented) else None
        return self._keep(presented, None if self._tokens is None else self._tokens(presented), now)

    def _find_key(self, presented: str, now: float) -> Caller | None:
        if now < self._away_until:
            return self._in_grace(presented, now)
        try:
            key = verify_key(self._database(), presented)
        except (DBAPIError, PoolTimeoutError, WorkspaceError) as error:
            if isinstance(error, WorkspaceError) or is_away(error):
                self._note_away(error)
            else:  # of this statement: others are asked about as before
                LOG.error("a key could not be checked", exc_info=error)
            return self._in_grace(presented, now)
        self._note_back()
        return self._keep(presented, None if key is None else _verified(key), now)

    def _keep(self, presented: str, verified: Verified | None, looked_up_at: float) -> Caller | None:
        """Remember who was found, or that nobody was, so that no grace revives a revoked key."""
        digest = _digest(presented)
        with self._writing:
            self._kept.pop(digest, None)
            self._refused.pop(digest, None)
            if verified is None:
                _put(self._refused, digest, looked_up_at)
                return None
            _put(self._kept, digest, _Kept(verified, looked_up_at))
        return verified.caller

    def _in_grace(self, presented: str, now: float) -> Caller:
        kept = self._kept.get(_digest(presented))
        if kept is not None and kept.works(now, GRACE_S):
            return kept.verified.caller
        raise KEYS_UNAVAILABLE.error()

    def _note_away(self, error: Exception) -> None:
        self._away_until = self._clock() + RETRY_S
        if not self._away:
            LOG.warning("the database cannot be reached to check keys: %s", type(error).__name__)
        self._away = True

    def _note_back(self) -> None:
        if self._away:
            LOG.info("the database can be reached again to check keys")
        self._away = False


def _put(kept: dict[bytes, _Value], digest: bytes, value: _Value) -> None:
    """Keep a value as the newest; the oldest ones make room."""
    kept[digest] = value
    while len(kept) > MOST_KEPT:
        del kept[next(iter(kept))]


def _verified(key: ApiKey) -> Verified:
    caller = Caller(key.key_id, key.name, key.scopes, key.outlets, key.rate_limit, "key")
    return Verified(caller, math.inf if key.expires_at is None else key.expires_at.timestamp())


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode(errors="surrogateescape")).digest()
