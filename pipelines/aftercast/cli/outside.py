"""What a disk, a lock or a server did to a command, as an error for people; whatever else is raised is a defect."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from aftercast.operations.errors import AftercastError, StoreError, WorkspaceError

NOTHING_HALF: Final = "what is not finished is not visible, and nothing that was stored before is lost."
FULL: Final = (
    "The disk is full{where}.",
    f"Free some space and run the command again: {NOTHING_HALF}",
)
HELD: Final = (
    "Another program holds {what} for longer than this command waits.",
    f"Close what has it open (a viewer, a backup, another command) and run the command again: {NOTHING_HALF}",
)
READ_ONLY: Final = ("{what} cannot be written.", "Let the user of the command write there, or choose another place.")
AWAY: Final = ("The database does not answer, or it ended the connection.", "Start it, and run the command again.")
DAMAGED: Final = ("The database is damaged or no database.", "Run `aftercast doctor`; it says what to bring back.")
FULL_WORDS: Final = ("no space left", "disk is full", "os error 28", "disk quota exceeded", "os error 122")
HELD_WORDS: Final = ("database is locked", "database table is locked")
READ_ONLY_WORDS: Final = ("readonly database", "unable to open database file", "permission denied", "read-only file")
DAMAGED_WORDS: Final = ("malformed", "file is not a database")
AWAY_WORDS: Final = ("connection refused", "server closed the connection", "could not connect", "connection failed")
BY_WORDS: Final = (
    (FULL_WORDS, FULL),
    (HELD_WORDS, HELD),
    (READ_ONLY_WORDS, READ_ONLY),
    (DAMAGED_WORDS, DAMAGED),
    (AWAY_WORDS, AWAY),
)
FOREIGN: Final = ("sqlalchemy.", "sqlite3", "deltalake.", "_internal", "mlflow.", "pyarrow.", "psycopg.", "prefect.")
"""Modules whose errors speak of a disk, a lock or a server in their text."""


def explained(error: BaseException) -> AftercastError | None:
    """Error for people in place of one of the system or of a library; None where it is a defect of ours."""
    for each in _chain(error):
        found = _of_system(each) if isinstance(each, OSError | MemoryError) else _of_library(each, error.__traceback__)
        if found is not None:
            return found
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def _of_system(error: OSError | MemoryError) -> AftercastError | None:
    if isinstance(error, MemoryError):
        return WorkspaceError("The memory is not enough.", "Close other programs, or ask for less at a time.")
    place = str(error.filename or "")
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _error(FULL, where=f": {place}" if place else "")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return _error(READ_ONLY, what=place or "A file")
    if isinstance(error, ConnectionError):
        return WorkspaceError(f"A server does not answer ({type(error).__name__}).", "Run `aftercast doctor`.")
    if place and isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError):
        return WorkspaceError(f"{place}: {error.strerror}.", "Check the path; `aftercast doctor` looks at the rest.")
    return None


def _of_library(error: BaseException, trace: TracebackType | None) -> AftercastError | None:
    if not type(error).__module__.startswith(FOREIGN):
        return None
    text = str(error).lower()
    what = _database_in(trace) if "database" in text else "The store"
    found = next((told for words, told in BY_WORDS if any(word in text for word in words)), None)
    if found is not None:
        return _error(found, what=what, where="")
    if type(error).__name__ == "CommitFailedError":
        return StoreError("Another program changed the files of the store.", "Run the command again.")
    return None


def _database_in(trace: TracebackType | None) -> str:
    """Which database was used where an error was raised, as people know it."""
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").startswith("mlflow."):
            return "the database of MLflow (mlflow.db)"
        trace = trace.tb_next
    return "the operational database (aftercast.db)"


def _error(words: tuple[str, str], **parts: str) -> WorkspaceError:
    message = words[0].format(**parts)
    return WorkspaceError(message[0].upper() + message[1:], words[1])
