"""The issuer of tokens: its public keys can be had."""

from __future__ import annotations

from collections.abc import Iterator

from jwt import PyJWTError

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.operations.openid import check_issuer, issuer_keys

MEND = "Correct tokens.issuer or tokens.jwks, or start the issuer."


def check(deployment: Deployment) -> Iterator[Finding]:
    """Fetch them as the service does."""
    chosen = deployment.settings.tokens
    if chosen.issuer == "":
        yield Finding("ok", "No issuer of tokens is set: keys only.")
        return
    check_issuer(chosen)
    try:
        count = len(issuer_keys(chosen, deployment.folder)().get("keys", []))
    except (PyJWTError, OSError, ValueError) as error:
        yield Finding("problem", f"The issuer's keys cannot be read: {type(error).__name__}.", MEND)
        return
    if count == 0:
        yield Finding("problem", "The issuer publishes no key: every token is refused.", MEND)
    else:
        yield Finding("ok", f"The issuer of tokens publishes {count} keys.")
