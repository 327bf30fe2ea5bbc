"""Settling: the newest entries are forced to the disk, then their hash is written to the database as an anchor.

In this order, an anchor never speaks of an entry that a power failure can still take.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from aftercast.operations.audit.identity import place_of, read_chain
from aftercast.operations.audit.lines import AuditError, Position
from aftercast.operations.audit.log import AuditLog
from aftercast.operations.database.audit_anchors import write_anchor, write_chain
from aftercast.operations.errors import AftercastError

LOG: Final = logging.getLogger("aftercast.operations.audit")
LAST_S: Final = 10.0
"""How long an ending process waits for the last settling, e.g. of a database that does not answer."""


def settle(log: AuditLog, engine: Engine) -> Position:
    """Force the log to the disk and anchor its newest entry; returns that entry, seq 0 for an empty log.

    Raises
    ------
    AuditError
        If the disk or the database cannot be written, or the file of the log's id holds none.
    """
    head = log.force()
    chain = read_chain(log.folder)
    if head.seq > 0 and chain is not None:  # None where the log was removed just now
        try:
            write_chain(engine, chain, place_of(log.folder))
            write_anchor(engine, chain, head.seq, head.hash)
        except SQLAlchemyError as error:
            raise AuditError(
                "The newest entry of the audit log cannot be anchored: the database does not take it.",
                "Check database.address; the entries themselves are on the disk.",
            ) from error
    return head


class Settler(Thread):
    """Thread that settles a log every so often until it is told to end, and once more then.

    While the disk or the database is away it warns once and tries again each time.
    """

    def __init__(self, log: AuditLog, engine_getter: Callable[[], Engine], every_s: float) -> None:
        super().__init__(name="audit-settler", daemon=True)
        self._log, self._engine_getter, self._every_s = log, engine_getter, every_s
        self._ending = Event()
        self._settled: Position | None = None
        self._away = False

    def run(self) -> None:
        """Settle until :meth:`end`."""
        while not self._ending.wait(self._every_s):
            self._settle()
        self._settle()

    def end(self) -> None:
        """Settle a last time and stop."""
        self._ending.set()
        self.join(LAST_S)

    def _settle(self) -> None:
        try:
            if self._log.position() != self._settled:
                self._settled = settle(self._log, self._engine_getter())
        except AftercastError as error:
            self._warn(str(error))
        except Exception as error:  # noqa: BLE001  # the edge of a thread: whatever it was, the next time may succeed
            self._warn(f"{type(error).__name__}: {error}")
        else:
            self._recover()

    def _warn(self, what: str) -> None:
        if not self._away:
            LOG.warning("The audit log is not settled; entries are still written. %s", what)
        self._away = True

    def _recover(self) -> None:
        if self._away:
            LOG.warning("The audit log is settled again.")
        self._away = False


@contextmanager
def settling(log: AuditLog, engine_getter: Callable[[], Engine], every_s: float) -> Iterator[Settler]:
    """Settle a log in the background, every so many seconds and at the end.

    Parameters
    ----------
    engine_getter
        Asked each time for the operational database, so that the log starts before the database does.
    """
    settler = Settler(log, engine_getter, every_s)
    settler.start()
    try:
        yield settler
    finally:
        settler.end()
