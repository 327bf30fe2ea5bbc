"""One writer of a store at a time: a file lock in a folder, a lease in the operational database elsewhere.

The operating system frees the lock of a writer that dies at once; its lease ends after :data:`LEASE`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Final

from filelock import FileLock, Timeout
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from aftercast.operations.database.leases import end_lease, take_lease
from aftercast.operations.errors import StoreError

LOCK_FILE: Final = ".writing.lock"
LOCK_PATIENCE_S: Final = 600.0
LEASE: Final = timedelta(minutes=2)
ASK_EVERY_S: Final = 1.0


@contextmanager
def exclusive(address: str, database: Engine) -> Iterator[Callable[[], None]]:
    """Keep other writers of a store out; gives a check, to be made before publishing, that raises where one came in.

    Raises
    ------
    StoreError
        If another writer holds the store for ten minutes.
    """
    if "://" in address:
        with _lease(address, database) as still_held:
            yield still_held
        return
    folder = Path(address)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=LOCK_PATIENCE_S)
    except Timeout as error:
        raise _held(address) from error
    try:
        yield lambda: None
    finally:
        lock.release()


@contextmanager
def _lease(address: str, database: Engine) -> Iterator[Callable[[], None]]:
    name, holder, ended = f"store:{address}", uuid.uuid4().hex, Event()
    patience = time.monotonic() + LOCK_PATIENCE_S
    while not take_lease(database, name, holder, LEASE):
        if time.monotonic() > patience:
            raise _held(address)
        time.sleep(ASK_EVERY_S)

    def prolong() -> None:
        while not ended.wait(LEASE.total_seconds() / 4):
            with suppress(SQLAlchemyError):  # the check before publishing tells whether it was lost
                take_lease(database, name, holder, LEASE)

    def still_held() -> None:
        if not take_lease(database, name, holder, LEASE):
            raise StoreError("Another writer took over the store meanwhile.", "Run the import again: it loses nothing.")

    keeper = Thread(target=prolong, name="lease of the store", daemon=True)
    keeper.start()
    try:
        yield still_held
    finally:
        ended.set()
        keeper.join()
        end_lease(database, name, holder)


def _held(address: str) -> StoreError:
    return StoreError(
        f"Another import has been writing to {address} for more than ten minutes.",
        "Wait for it to end, or end it; what it has not published stays invisible.",
    )
