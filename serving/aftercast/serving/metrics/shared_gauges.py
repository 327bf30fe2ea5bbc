"""Metrics of what all workers share, looked up by the one that is scraped: database, inbox, audit log, data.

The database is asked in a thread, at most every few seconds and for at most two: one that is unavailable is reported as
such and holds up nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pandas as pd
from prometheus_client.metrics_core import Metric
from sqlalchemy.exc import SQLAlchemyError

from aftercast.data.workspace import Workspace
from aftercast.operations.audit import AuditError, AuditLog, read_chain
from aftercast.operations.database.audit_anchors import newest_anchor
from aftercast.operations.database.inbox import Waiting, count_waiting
from aftercast.operations.errors import AftercastError
from aftercast.serving.metrics.catalogue import (
    AUDIT,
    DATA_AGE,
    DATABASE_UP,
    INBOX_AGE,
    INBOX_BATCHES,
    INBOX_ROWS,
    SETTLED,
)

EVERY_S: Final = 5.0
WITHIN_S: Final = 2.0


@dataclass(frozen=True)
class Seen:
    """What the operational database said.

    Attributes
    ----------
    observed_until
        End of what was observed (UTC); None where nothing was.
    settled
        Number of the newest anchored entry of the audit log, 0 where there is none; None where the log has lost its id.
    """

    waiting: Waiting
    observed_until: pd.Timestamp | None
    settled: int | None


def look(workspace: Workspace) -> Seen | None:
    """Ask the database; None where it does not answer."""
    try:
        database = workspace.database
        return Seen(count_waiting(database), workspace.store.observed_until(), _settled(workspace))
    except (SQLAlchemyError, AftercastError, OSError):
        return None


def _settled(workspace: Workspace) -> int | None:
    try:
        chain = read_chain(workspace.path("audit"))
    except AuditError:  # says nothing of the database
        return None
    return 0 if chain is None else newest_anchor(workspace.database, chain)


class Lookout:
    """Looks in a thread of its own, for whoever asks; safe for threads.

    Parameters
    ----------
    look
        Looks; None where there was nothing to see.
    every_s
        What was seen is told this long before it is looked again.
    within_s
        Longest wait. A look that takes longer has seen nothing until it is done, and no other begins meanwhile.
    """

    def __init__(
        self, look: Callable[[], Seen | None], *, every_s: float = EVERY_S, within_s: float = WITHIN_S
    ) -> None:
        self._look, self._every_s, self._within_s = look, every_s, within_s
        self._one = threading.Lock()
        self._looking: threading.Thread | None = None
        self._began = 0.0
        self._seen: Seen | None = None

    def seen(self) -> Seen | None:
        """What was seen within the last ``every_s`` seconds; None where nothing was."""
        with self._one:
            now = time.monotonic()
            if self._looking is None or (not self._looking.is_alive() and now - self._began >= self._every_s):
                self._begin(now)
            looking, until = self._looking, self._began + self._within_s
        if looking is not None:
            looking.join(max(until - time.monotonic(), 0.0))
        return None if looking is None or looking.is_alive() else self._seen

    def _begin(self, now: float) -> None:
        self._began = now
        self._looking = threading.Thread(target=self._once, name="aftercast lookout", daemon=True)
        self._looking.start()

    def _once(self) -> None:
        self._seen = None
        self._seen = self._look()


def shared_metrics(seen: Seen | None, audit: AuditLog, now: pd.Timestamp) -> list[Metric]:
    """Metrics of what was seen, and of the audit log; what could not be asked is absent."""
    up = DATABASE_UP.one(0 if seen is None else 1)
    return [*up, *_database(seen, now), *AUDIT.one(_entries(audit))]


def _database(seen: Seen | None, now: pd.Timestamp) -> list[Metric]:
    if seen is None:
        return []
    return [
        *DATA_AGE.one(_age(seen.observed_until, now)),
        *INBOX_BATCHES.one(seen.waiting.batches),
        *INBOX_ROWS.one(seen.waiting.rows),
        *INBOX_AGE.one(_age(seen.waiting.since, now)),
        *SETTLED.one(seen.settled),
    ]


def _age(moment: pd.Timestamp | None, now: pd.Timestamp) -> float | None:
    return None if moment is None else (now - moment).total_seconds()


def _entries(audit: AuditLog) -> int | None:
    try:
        return audit.position().seq
    except AuditError:
        return None
