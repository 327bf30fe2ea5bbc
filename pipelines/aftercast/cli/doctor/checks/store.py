"""The store: readable, and with data that are not too old nor from the future."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from aftercast.cli.doctor.deployment import Deployment
from aftercast.cli.doctor.findings import Finding
from aftercast.data.store import find_damage, find_early

RESTORE = "Bring the folder of the store back from a backup; or begin a new workspace and import again."
OLD = pd.Timedelta(days=2)
AHEAD = pd.Timedelta(minutes=5)


def check(deployment: Deployment) -> Iterator[Finding]:
    """Say how old the data are."""
    store = deployment.store
    rows, until = store.tables(), store.observed_until()
    damage = find_damage(store)
    if damage:
        table, reason = next(iter(damage.items()))
        more = "" if len(damage) == 1 else f" So are {len(damage) - 1} more tables damaged."
        yield Finding("problem", f"The table {table} {reason}.{more}", RESTORE)
    else:
        yield Finding("ok", f"The store is at version {store.version()} with {sum(rows.values()):,} rows.")
        yield from _early(deployment)
    if until is None:
        yield Finding(
            "problem", "The store has no events: there is nothing to learn from.", "Import failures or repairs."
        )
    elif until > deployment.now + AHEAD:
        yield Finding(
            "problem",
            f"The data end in the future, at {until:%Y-%m-%d %H:%M} UTC.",
            "Correct the clocks or zones of the source, and import again.",
        )
    elif deployment.now - until > OLD:
        yield Finding(
            "warning",
            f"The data end {(deployment.now - until).days} days ago.",
            "Import newer data, or run `aftercast drain`.",
        )


def _early(deployment: Deployment) -> Iterator[Finding]:
    """Facts that claim to be known only in the future: no feature reads them until then."""
    for table, rows in find_early(deployment.store, deployment.now + AHEAD).items():
        said = f"{rows:,} rows of {table} became known in the future: they are not read until then."
        yield Finding("warning", said, "Correct the clocks or zones of the source, and import again.")
