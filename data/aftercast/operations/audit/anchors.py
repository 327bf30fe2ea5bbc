"""Anchoring: the newest entries are forced to the disk, then the hash of the newest is written to the database.

In this order, no anchor names an entry that a power failure can still take.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from aftercast.operations.audit.chain_id import place_of, read_chain
from aftercast.operations.audit.lines import AuditError, Position
from aftercast.operations.audit.log import AuditLog
from aftercast.operations.database.audit_anchors import write_anchor, write_chain
from aftercast.operations.errors import AftercastError

LOG: Final = logging.getLogger("aftercast.operations.audit")
LAST_S: Final = 10.0
"""How long an ending process waits for the last anchor, for instance of a database that does not answer."""


def anchor_log(log: AuditLog, engine: Engine) -> Position:
    """Force the log to the disk and anchor its newest entry; returns that entry, seq 0 for an empty log.

    Raises
    ------
    AuditError
        If the disk or the database cannot be written, or the file of the log's id is damaged.
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


@contextmanager
def anchoring(log: AuditLog, engine_getter: Callable[[], Engine], every_s: float) -> Iterator[Thread]:
    """Anchor a log in the background, every so many seconds and at the end.

    While the disk or the database is unavailable it warns once and tries again each time.

    Parameters
    ----------
    engine_getter
        Asked each time for the operational database, so that the log starts before the database does.
    """
    ending = Event()
    thread = Thread(
        target=_anchor_until, args=(ending, log, engine_getter, every_s), name="audit-anchorer", daemon=True
    )
    thread.start()
    try:
        yield thread
    finally:
        ending.set()
        thread.join(LAST_S)


def _anchor_until(ending: Event, log: AuditLog, engine_getter: Callable[[], Engine], every_s: float) -> None:
    """Anchor at intervals, and once more at the end."""
    anchored: Position | None = None
    failing = ended = False
    while not ended:
        ended = ending.wait(every_s)
        try:
            if log.position() != anchored:
                anchored = anchor_log(log, engine_getter())
        except Exception as error:  # noqa: BLE001  # the edge of a thread: whatever it was, the next time may succeed
            if not failing:
                said = str(error) if isinstance(error, AftercastError) else f"{type(error).__name__}: {error}"
                LOG.warning("The audit log is not anchored; entries are still written. %s", said)
            failing = True
        else:
            if failing:
                LOG.warning("The audit log is anchored again.")
            failing = False
