"""The keys: somebody may ask, none is about to expire unnoticed, none may everything for ever."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.operations.database.keys import ApiKey, list_keys

SOON = pd.Timedelta(days=14)
LATELY = pd.Timedelta(days=14)


def check(deployment: Deployment) -> Iterator[Finding]:
    """Look at the keys that work, and at those that ended without a successor."""
    keys = list_keys(deployment.database)
    working = [key for key in keys if key.works_at(deployment.now)]
    yield from _ended([key for key in keys if key not in working], deployment.now)
    if not working:
        yield Finding(
            "warning", "No key works: nobody can ask the service.", "Run `aftercast keys create --name NAME`."
        )
        return
    yield Finding("ok", f"{len(working)} keys work.")
    for key in working:
        if key.expires_at is not None and key.replaced_by is None and key.expires_at - deployment.now < SOON:
            when = f"{key.expires_at:%Y-%m-%d}"
            yield Finding(
                "warning",
                f"Key {key.key_id} ({key.name}) expires on {when}.",
                f"Run `aftercast keys rotate {key.key_id}`.",
            )
        if key.expires_at is None and key.allows("admin"):
            yield Finding(
                "warning",
                f"Key {key.key_id} ({key.name}) may everything and never expires.",
                "Give out keys with fewer scopes, or with an expiry.",
            )


def _ended(keys: list[ApiKey], now: pd.Timestamp) -> Iterator[Finding]:
    """Keys that expired lately and that nobody revoked or replaced: their holders are refused, and may not know why."""
    for key in keys:
        forgotten = key.revoked_at is None and key.replaced_by is None
        if forgotten and key.expires_at is not None and now - key.expires_at < LATELY:
            said = f"Key {key.key_id} ({key.name}) expired on {key.expires_at:%Y-%m-%d} and has no successor."
            yield Finding("warning", said, f"Run `aftercast keys create --name NAME`, or `keys revoke {key.key_id}`.")
