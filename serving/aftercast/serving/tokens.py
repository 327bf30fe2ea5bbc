"""Signed tokens of an OpenID Connect issuer: verified here with the issuer's public keys, which are fetched rarely."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import jwt
from jwt import PyJWK, PyJWKSet

from aftercast.operations.database.keys import SCOPES
from aftercast.operations.errors import SettingsError
from aftercast.operations.openid import check_issuer, issuer_keys
from aftercast.operations.settings import TokenSettings
from aftercast.serving.principals import Caller, Verified
from aftercast.serving.problems import TOKENS_UNAVAILABLE

LOG: Final = logging.getLogger("aftercast.serving")
REQUIRED: Final = ("exp", "iss", "aud", "sub")
LONGEST_SUBJECT: Final = 255
FRESH_S: Final = 300.0
"""How long the issuer's keys are used before they are asked for again; one it withdrew ends within this time."""
PAUSE_S: Final = 10.0
"""Shortest time between two questions to the issuer, whatever is presented."""


class Tokens:
    """Verifies the tokens of one issuer; safe for threads.

    Parameters
    ----------
    settings
        Issuer, audience and claims.
    folder
        Where a relative file of keys lies.
    clock
        Seconds that only go forward.

    Raises
    ------
    SettingsError
        If there is no issuer or audience, or an algorithm that does not verify with a public key.
    """

    def __init__(self, settings: TokenSettings, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        check_issuer(settings)
        self._settings = settings
        self._keys = _IssuerKeys(issuer_keys(settings, folder), clock)

    def verify(self, token: str) -> Verified | None:
        """Return whom a token speaks for, None unless it is genuine, meant for this service and in its time.

        Raises
        ------
        ProblemError
            503 if the issuer's keys are needed and cannot be had.
        """
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in self._settings.algorithms:  # said before anyone asks the issuer about it
                return None
            found = self._keys.find(header.get("kid"))
            return None if found is None else self._verified(self._claims(token, _key(found, header["alg"])))
        except jwt.PyJWTError:
            return None

    def _claims(self, token: str, key: PyJWK) -> dict[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=list(self._settings.algorithms),
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            leeway=self._settings.leeway_s,
            options={"require": list(REQUIRED)},
        )

    def _verified(self, claims: Mapping[str, Any]) -> Verified | None:
        subject = str(claims["sub"])
        scopes = _scopes(claims.get(self._settings.scope_claim))
        outlets = self._outlets(claims, scopes)
        if not 0 < len(subject) <= LONGEST_SUBJECT or outlets == _WRONG:
            return None
        name = claims.get("name")
        caller = Caller(f"token:{subject}", name if isinstance(name, str) else subject, scopes, outlets, None, "token")
        return Verified(caller, float(claims["exp"]) + self._settings.leeway_s)

    def _outlets(self, claims: Mapping[str, Any], scopes: tuple[str, ...]) -> frozenset[str] | None:
        """Outlets a token names. Without the claim none, rather than all, are seen; by an administrator all."""
        if self._settings.outlet_claim == "":
            return None
        named = claims.get(self._settings.outlet_claim)
        if named is None:
            return None if "admin" in scopes else frozenset()
        if not isinstance(named, list) or not all(isinstance(each, str) and each for each in named):
            return _WRONG
        return frozenset(named)


def _key(found: Mapping[str, Any], algorithm: str) -> PyJWK:
    """Key for its own algorithm, or where it names none for that of the token, if it is of its kind."""
    return PyJWK(dict(found), None if found.get("alg") else algorithm)


_WRONG: Final = frozenset({""})
"""Outlets of a token whose claim is not a list of names; no outlet is named by an empty text."""


def tokens_of(settings: TokenSettings, folder: Path) -> Tokens | None:
    """Return what verifies tokens, None where no issuer is configured."""
    return None if settings.issuer == "" else Tokens(settings, folder)


class _IssuerKeys:
    """Public keys (JSON Web Keys) of the issuer by id; the last known ones stay while it is away."""

    def __init__(self, load: Callable[[], Mapping[str, Any]], clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._known: Mapping[str | None, Mapping[str, Any]] = {}
        self._loaded_at = self._tried_at = -math.inf
        self._failed = False
        self._asking = threading.Lock()

    def find(self, kid: str | None) -> Mapping[str, Any] | None:
        """Key of an id, None if the issuer has none; without an id the only key there is."""
        known = self._lookup(kid)
        if known is not None and self._clock() - self._loaded_at < FRESH_S:
            return known
        if self._asking.acquire(blocking=known is None):  # who can go on with a known key does not wait
            try:
                self._refresh()
            finally:
                self._asking.release()
        found = self._lookup(kid)
        if found is None and self._failed:
            raise TOKENS_UNAVAILABLE.error()
        return found

    def _lookup(self, kid: str | None) -> Mapping[str, Any] | None:
        known = self._known
        return next(iter(known.values())) if kid is None and len(known) == 1 else known.get(kid)

    def _refresh(self) -> None:
        if self._clock() - self._tried_at < PAUSE_S:
            return
        try:
            found = dict(self._load())
            keys = PyJWKSet.from_dict(found).keys
        except (jwt.PyJWTError, OSError, ValueError, SettingsError) as error:
            self._failed = True
            LOG.warning("the keys of the token issuer cannot be read: %s", error)
        else:
            usable = {key.key_id for key in keys if key.public_key_use in {None, "sig"}}
            self._known = {kid: each for each in found["keys"] if (kid := each.get("kid")) in usable}
            self._loaded_at, self._failed = self._clock(), False
        self._tried_at = self._clock()


def _scopes(claim: object) -> tuple[str, ...]:
    """Scopes of a claim that are known here; text with spaces between them, or a list."""
    given = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return tuple(scope for scope in SCOPES if scope in given)
