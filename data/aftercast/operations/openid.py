"""The issuer of tokens as settings name it: whether they can be used, and where its public keys are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from jwt import PyJWKClient

from aftercast.operations.errors import SettingsError
from aftercast.operations.settings import TokenSettings

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Those that verify with a public key: with a shared secret, who can check a token could also make one."""
FETCH_S: Final = 3.0


def check_issuer(settings: TokenSettings) -> None:
    """Raise SettingsError without issuer or audience, or with an algorithm that does not verify with a public key."""
    if settings.issuer == "" or settings.audience == "":
        raise SettingsError("Tokens need an issuer and an audience.", "Set tokens.issuer and tokens.audience.")
    refused = sorted(set(settings.algorithms) - ALGORITHMS)
    if refused or len(settings.algorithms) == 0:
        found = f"tokens.algorithms has '{refused[0]}'." if refused else "tokens.algorithms is empty."
        raise SettingsError(found, f"Choose from {', '.join(sorted(ALGORITHMS))}.")


def issuer_keys(settings: TokenSettings, folder: Path) -> Callable[[], Mapping[str, Any]]:
    """Where the issuer's keys come from: an address, a file, or the address its discovery document names.

    Returns
    -------
    callable
        Reads the JSON Web Key Set (RFC 7517) anew each time. It raises PyJWTError, OSError or ValueError where that
        fails, SettingsError where what it reads is not what the settings name.
    """
    if settings.jwks == "":
        return lambda: _fetch(_discovered(settings.issuer))
    if settings.jwks.startswith(("http://", "https://")):
        return lambda: _fetch(settings.jwks)
    return lambda: _object(json.loads((folder / settings.jwks).read_text(encoding="utf-8")))


def _discovered(issuer: str) -> str:
    """Address of the keys; the document must be the issuer's own (OpenID Connect Discovery 1.0, section 4.3)."""
    document = _fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if document.get("issuer") != issuer or not isinstance(document.get("jwks_uri"), str):
        raise SettingsError(
            "The discovery document is not that of tokens.issuer.", "Compare its `issuer`, to the slash."
        )
    return str(document["jwks_uri"])


def _fetch(address: str) -> Mapping[str, Any]:
    return _object(PyJWKClient(address, cache_jwk_set=False, timeout=FETCH_S).fetch_data())


def _object(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise SettingsError("The issuer's keys are not a JSON object.", "Check tokens.jwks.")
    return content
