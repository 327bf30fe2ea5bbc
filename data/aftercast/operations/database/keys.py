"""API keys of the service: made, listed, replaced, revoked and verified here; only a hash of each is ever stored.

A key reads ``ac_<id>_<secret>``. The id names it in lists and logs; the secret is 256 random bits and shown once. Its
SHA-256 is what is stored: a slow password hash defends guessable secrets, which 256 random bits are not, and would cost
every request tens of milliseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from limits import parse_many
from sqlalchemy import JSON, Column, Connection, Engine, Row, Select, String, Table, insert, literal, select, update

from aftercast.operations.database.tables import JSON_OR_NULL, METADATA, UtcTime, utc_now
from aftercast.operations.errors import NotFoundError, SettingsError

SCOPES: Final = ("predict", "lists", "ingest", "metrics", "admin")
"""predict: ask for risks; lists: read the risk list; ingest: send records, never with outlets; metrics: read the
service's metrics; admin: everything, now and later."""
DEFAULT_SCOPES: Final = ("predict", "lists")
KEY_PREFIX: Final = "ac_"
_SHAPE: Final = re.compile(r"ac_[0-9a-f]{8}_[0-9a-f]{64}")

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("key_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("secret_sha256", String, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
    Column("outlets", JSON_OR_NULL),
    Column("rate_limit", String),
    Column("replaced_by", String),
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
    outlets
        Outlets whose devices its callers see; None sees all, an empty set none.
    rate_limit
        Its own limit, as in ``600/minute``; None has the service's.
    replaced_by
        Id of the key that takes its place, None while it has no successor.
    """

    key_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: pd.Timestamp
    expires_at: pd.Timestamp | None
    revoked_at: pd.Timestamp | None
    outlets: frozenset[str] | None = None
    rate_limit: str | None = None
    replaced_by: str | None = None

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
    *,
    outlets: Collection[str] | None = None,
    rate_limit: str | None = None,
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
    outlets
        Outlets whose devices are seen; None sees all.
    rate_limit
        Such as ``600/minute`` or ``5 per 10 seconds``; None has the service's.

    Returns
    -------
    (key_id, plaintext)
        The plaintext cannot be shown again.

    Raises
    ------
    SettingsError
        If the name is empty, a scope unknown, the expiry in the past, an outlet blank or none named, the rate limit not
        understood, or the key has outlets and may send records.
    """
    now = utc_now()
    _check(name, scopes, expires_at, now)
    _check_limits(scopes, outlets, rate_limit)
    row = {
        "name": name.strip(),
        "scopes": [scope for scope in SCOPES if scope in scopes],
        "created_at": now,
        "expires_at": expires_at,
        "outlets": None if outlets is None else sorted({outlet.strip() for outlet in outlets}),
        "rate_limit": rate_limit,
    }
    with engine.begin() as connection:
        return _add(connection, row)


def rotate_key(
    engine: Engine, key_id: str, *, overlap: pd.Timedelta, expires_at: pd.Timestamp | None = None
) -> tuple[str, str]:
    """Make the successor of a key, with its name, scopes, outlets and rate limit; both work for the overlap.

    Parameters
    ----------
    overlap
        How long the old key goes on working, never beyond the expiry it had; zero ends it at once.
    expires_at
        First instant (UTC) at which the new key no longer works; None keeps the old key's expiry, so that replacing a
        visitor's key does not make it last.

    Returns
    -------
    (key_id, plaintext)
        Of the new key; the plaintext cannot be shown again.

    Raises
    ------
    NotFoundError
        If no key has this id.
    SettingsError
        If the key no longer works or has a successor, the overlap is negative or the expiry in the past.
    """
    now = utc_now()
    with engine.begin() as connection:
        old = _row(connection, key_id)
        _check_rotation(_api_key(old), overlap, expires_at, now)
        end = old.expires_at if expires_at is None else expires_at
        same = {name: getattr(old, name) for name in ("name", "scopes", "outlets", "rate_limit")}
        new_id, plaintext = _add(connection, {**same, "created_at": now, "expires_at": end})
        _retire(connection, old, new_id, now + overlap)
    return new_id, plaintext


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
        .values(revoked_at=utc_now())
    )
    with engine.begin() as connection:
        connection.execute(stop)
        return _api_key(_row(connection, key_id))


def find_key(engine: Engine, key_id: str) -> ApiKey:
    """Return the key with an id, whether it works or not; raises NotFoundError if none has it."""
    with engine.connect() as connection:
        return _api_key(_row(connection, key_id))


def is_key(text: str) -> bool:
    """Whether a text reads as a key; nothing else needs to be looked up."""
    return _SHAPE.fullmatch(text) is not None


def verify_key(engine: Engine, plaintext: str, *, now: pd.Timestamp | None = None) -> ApiKey | None:
    """Return the key a caller presented, None unless it is genuine and works at ``now`` (UTC, default the clock's).

    Read from the database each time; the service remembers the outcome for a second.
    """
    if not is_key(plaintext):
        return None
    _, key_id, secret = plaintext.split("_")
    with engine.connect() as connection:
        stored = connection.execute(_stored_digest(key_id)).scalar_one()
        genuine = hmac.compare_digest(_digest(secret), _NO_DIGEST if stored is None else str(stored))
        if stored is None or not genuine:
            return None
        key = _api_key(_row(connection, key_id))
    return key if key.works_at(utc_now() if now is None else now) else None


def _stored_digest(key_id: str) -> Select[Any]:
    """Look a digest up; for an id nobody has it is a row with NULL, which takes the time of one that somebody has."""
    anyway = select(literal(1).label("one")).subquery()
    return select(API_KEYS.c.secret_sha256).select_from(anyway.outerjoin(API_KEYS, API_KEYS.c.key_id == key_id))


def _check(name: str, scopes: Collection[str], expires_at: pd.Timestamp | None, now: pd.Timestamp) -> None:
    unknown = sorted(set(scopes) - set(SCOPES))
    if name.strip() == "":
        raise SettingsError("A key needs a name.", "Name who will use it: --name ticketing.")
    if unknown or not scopes:
        found = f"'{unknown[0]}' is not a scope." if unknown else "A key needs a scope."
        raise SettingsError(found, f"Choose from {', '.join(SCOPES)}.")
    if expires_at is not None and expires_at <= now:
        raise SettingsError("The key would have expired already.", "Choose an expiry in the future.")


def _check_limits(scopes: Collection[str], outlets: Collection[str] | None, rate_limit: str | None) -> None:
    sending = sorted({"ingest", "admin"} & set(scopes))
    if outlets is not None and sending:
        includes = "" if sending == ["ingest"] else ", which admin includes"
        raise SettingsError(
            f"A key with outlets cannot send records (scope ingest{includes}): whose records they are is known only "
            "when they are stored.",
            "Send the records of all outlets through one gateway with a key of its own without outlets: "
            "`aftercast keys create --name gateway --scope ingest`.",
        )
    if outlets is not None and (len(outlets) == 0 or any(outlet.strip() == "" for outlet in outlets)):
        raise SettingsError("An outlet is blank, or none is named.", "Leave outlets out for a key that sees all.")
    if rate_limit is not None:
        check_rate(rate_limit)


def check_rate(rate_limit: str) -> None:
    """Raise SettingsError unless a rate limit is understood and lets something through."""
    hint = "Write how many and per what, as in 600/minute or 5 per 10 seconds."
    try:
        rates = parse_many(rate_limit)
    except ValueError as error:
        raise SettingsError(f"'{rate_limit}' is not a rate limit.", hint) from error
    if len(rates) != 1:
        raise SettingsError(f"'{rate_limit}' is more than one rate limit.", hint)
    if rates[0].amount < 1:
        raise SettingsError(f"The rate limit '{rate_limit}' lets nothing through.", hint)


def _check_rotation(old: ApiKey, overlap: pd.Timedelta, expires_at: pd.Timestamp | None, now: pd.Timestamp) -> None:
    if not old.works_at(now):
        raise SettingsError(f"The key {old.key_id} no longer works.", "Make a new one: `aftercast keys create`.")
    if old.replaced_by is not None:
        raise SettingsError(f"The key {old.key_id} has a successor.", f"Rotate that one: {old.replaced_by}.")
    if overlap < pd.Timedelta(0):
        raise SettingsError("The overlap is negative.", "Use 0h to end the old key at once.")
    if expires_at is not None and expires_at <= now:
        raise SettingsError("The new key would have expired already.", "Choose an expiry in the future.")


def _add(connection: Connection, row: dict[str, Any]) -> tuple[str, str]:
    key_id, secret = secrets.token_hex(4), secrets.token_hex(32)
    connection.execute(insert(API_KEYS).values(key_id=key_id, secret_sha256=_digest(secret), **row))
    return key_id, f"{KEY_PREFIX}{key_id}_{secret}"


def _retire(connection: Connection, old: Row[Any], new_id: str, end: pd.Timestamp) -> None:
    """Give a key its end and successor; only one of two rotations at the same time may."""
    earlier = old.expires_at is not None and old.expires_at < end
    retire = (
        update(API_KEYS)
        .where(API_KEYS.c.key_id == old.key_id, API_KEYS.c.replaced_by.is_(None), API_KEYS.c.revoked_at.is_(None))
        .values(expires_at=old.expires_at if earlier else end, replaced_by=new_id)
    )
    if connection.execute(retire).rowcount != 1:
        raise SettingsError(f"The key {old.key_id} was replaced or revoked just now.", "See `aftercast keys list`.")


def _row(connection: Connection, key_id: str) -> Row[Any]:
    row = connection.execute(select(API_KEYS).where(API_KEYS.c.key_id == key_id)).one_or_none()
    if row is None:
        raise NotFoundError("No API key has this id.", "`aftercast keys list` shows the ids.")
    return row


def _api_key(row: Row[Any]) -> ApiKey:
    columns = {name: value for name, value in row._mapping.items() if name != "secret_sha256"}
    outlets = None if row.outlets is None else frozenset(row.outlets)
    return ApiKey(**{**columns, "scopes": tuple(row.scopes), "outlets": outlets})


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_NO_DIGEST: Final = "0" * 64
"""Compared with when an id is unknown, so that known and unknown ids take the same time."""
