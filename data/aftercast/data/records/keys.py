"""API keys of the service: made, listed, revoked and verified here; only a hash of each is ever stored.

A key reads ``ac_<id>_<secret>``. The id names it in lists and logs; the secret is 256 random bits and shown once. Its
SHA-256 is what is stored: a slow password hash defends guessable secrets, which 256 random bits are not, and would cost
every request tens of milliseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from sqlalchemy import Column, Engine, Row, String, Table, insert, select, update

from aftercast.data.clocks import parse_time
from aftercast.data.errors import NotFoundError, SettingsError
from aftercast.data.records.database import METADATA

SCOPES: Final = ("predict", "lists", "admin")
"""predict: ask for risks; lists: read the risk list; admin: everything, now and later."""
DEFAULT_SCOPES: Final = ("predict", "lists")

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("key_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("secret_sha256", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("expires_at", String),
    Column("revoked_at", String),
)


@dataclass(frozen=True)
class ApiKey:
    """What is known of a key; never its secret.

    Attributes
    ----------
    expires_at
        First instant (UTC) at which the key no longer works; None when it does not expire.
    revoked_at
        When it was revoked (UTC); None while it was not.
    """

    key_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: pd.Timestamp
    expires_at: pd.Timestamp | None
    revoked_at: pd.Timestamp | None

    def allows(self, scope: str) -> bool:
        """Whether the key may be used for a scope; ``admin`` may everything."""
        return scope in self.scopes or "admin" in self.scopes

    def works_at(self, now: pd.Timestamp) -> bool:
        """Whether the key is neither revoked nor expired at an instant (UTC)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def create_key(
    engine: Engine,
    name: str,
    scopes: Collection[str] = DEFAULT_SCOPES,
    expires_at: pd.Timestamp | None = None,
) -> tuple[str, str]:
    """Make a key.

    Parameters
    ----------
    name
        Whose key it is, for people; several keys may share it.
    scopes
        Subset of :data:`SCOPES`, at least one.
    expires_at
        First instant (UTC) at which it no longer works.

    Returns
    -------
    (key_id, plaintext)
        The plaintext cannot be shown again.

    Raises
    ------
    SettingsError
        If the name is empty, a scope unknown, or the expiry in the past.
    """
    now = _now()
    _check(name, scopes, expires_at, now)
    key_id, secret = secrets.token_hex(4), secrets.token_hex(32)
    row = {
        "key_id": key_id,
        "name": name.strip(),
        "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
        "secret_sha256": _digest(secret),
        "created_at": now.isoformat(),
        "expires_at": None if expires_at is None else expires_at.tz_convert("UTC").isoformat(),
    }
    with engine.begin() as connection:
        connection.execute(insert(API_KEYS).values(**row))
    return key_id, f"ac_{key_id}_{secret}"


def list_keys(engine: Engine) -> list[ApiKey]:
    """Every key ever made, oldest first."""
    statement = select(API_KEYS).order_by(API_KEYS.c.created_at, API_KEYS.c.key_id)
    with engine.connect() as connection:
        return [_api_key(row) for row in connection.execute(statement)]


def revoke_key(engine: Engine, key_id: str) -> ApiKey:
    """Revoke a key from now on; revoking twice keeps the first time.

    Raises
    ------
    NotFoundError
        If no key has this id.
    """
    stop = (
        update(API_KEYS)
        .where(API_KEYS.c.key_id == key_id, API_KEYS.c.revoked_at.is_(None))
        .values(revoked_at=_now().isoformat())
    )
    with engine.begin() as connection:
        connection.execute(stop)
        row = connection.execute(select(API_KEYS).where(API_KEYS.c.key_id == key_id)).one_or_none()
    if row is None:
        raise NotFoundError("No API key has this id.", "`aftercast keys list` shows the ids.")
    return _api_key(row)


def verify_key(engine: Engine, plaintext: str, *, now: pd.Timestamp | None = None) -> ApiKey | None:
    """Return the key a caller presented, None unless it is genuine and works at ``now`` (UTC, default the clock's).

    Read from the database each time, so that a revoked key stops with the next request.
    """
    prefix, _, rest = plaintext.partition("_")
    key_id, _, secret = rest.partition("_")
    with engine.connect() as connection:
        row = connection.execute(select(API_KEYS).where(API_KEYS.c.key_id == key_id)).one_or_none()
    stored = _NO_DIGEST if row is None else str(row.secret_sha256)
    genuine = hmac.compare_digest(_digest(secret), stored)
    if prefix != "ac" or row is None or not genuine:
        return None
    key = _api_key(row)
    return key if key.works_at(_now() if now is None else now) else None


def _check(name: str, scopes: Collection[str], expires_at: pd.Timestamp | None, now: pd.Timestamp) -> None:
    unknown = sorted(set(scopes) - set(SCOPES))
    if name.strip() == "":
        raise SettingsError("A key needs a name.", "Name who will use it: --name ticketing.")
    if unknown or not scopes:
        found = f"'{unknown[0]}' is not a scope." if unknown else "A key needs a scope."
        raise SettingsError(found, f"Choose from {', '.join(SCOPES)}.")
    if expires_at is not None and expires_at <= now:
        raise SettingsError("The key would have expired already.", "Choose an expiry in the future.")


def _api_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        name=row.name,
        scopes=tuple(row.scopes.split()),
        created_at=parse_time(row.created_at),
        expires_at=None if row.expires_at is None else parse_time(row.expires_at),
        revoked_at=None if row.revoked_at is None else parse_time(row.revoked_at),
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> pd.Timestamp:
    return pd.Timestamp.now("UTC").as_unit("us")


_NO_DIGEST: Final = "0" * 64
"""Compared with when an id is unknown, so that known and unknown ids take the same time."""
