"""The log that processes and threads of one machine append to; they share one chain.

An entry is in the kernel when :meth:`AuditLog.append` returns: it outlives a killed process, and a power failure once
:meth:`AuditLog.force` has returned. An appender that was alone since its last entry reads nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self

from aftercast.operations.audit.chain import Chain
from aftercast.operations.audit.lines import AuditError, Position, content_bytes
from aftercast.operations.audit.lock import LOCK_FILE, SharedLock
from aftercast.operations.audit.segments import OpenSegment, force, segment_numbers, segment_path

LOCK_WAIT_S: Final = 2.0
STUCK_WAIT_S: Final = 0.005


class AuditLog:
    """Append-only, hash-chained record of answers and changes.

    Parameters
    ----------
    folder
        Where the segments are; made when missing. On a disk of this machine: network file systems may not keep
        the lock.
    segment_bytes
        A new segment begins once the newest is larger.
    lock_wait_s
        Longest wait for a process or thread that is appending, which takes microseconds unless it was stopped or its
        disk hangs. After such a wait, later ones give up after 5 ms until the lock is free again: a service appends on
        its event loop, where nothing else is answered meanwhile.

    Raises
    ------
    AuditError
        If the folder cannot be made.
    """

    def __init__(self, folder: Path, *, segment_bytes: int, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self.folder = folder
        self.lock_wait_s = lock_wait_s
        self._chain = Chain(folder, segment_bytes)
        self._lock = SharedLock(folder)
        self._threads = Lock()
        self._stuck = False
        self._forced, self._forced_segment = Position(0, ""), 1
        self._process = os.getpid()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def append(self, event: str, content: Mapping[str, Any] | bytes) -> Position:
        """Append an entry; call it before the answer is sent.

        Parameters
        ----------
        event
            What happened, like ``prediction`` or ``key.revoked``: letters a to z, digits, point, dash.
        content
            JSON object, or its bytes on one line. Never key material: the log is for others to read.

        Raises
        ------
        AuditError
            If the entry cannot be written, or the lock is held too long; the chain is as it was before.
        """
        body = content_bytes(content)
        with self._alone() as segment:
            return self._chain.write(segment, event.encode(), body)

    def position(self) -> Position:
        """Newest entry, whichever process made it; seq 0 while there is none."""
        with self._alone():
            return self._chain.position

    def force(self) -> Position:
        """Wait until every entry made so far is on the disk, whichever process made it; returns the newest of them.

        Appending goes on meanwhile. Segments of earlier runs are forced too: who wrote them may have been killed.

        Raises
        ------
        AuditError
            If the disk does not take them.
        """
        head = self.position()
        if head != self._forced:
            try:
                numbers = [number for number in segment_numbers(self.folder) if number >= self._forced_segment]
                for number in numbers:
                    force(segment_path(self.folder, number))
                force(self.folder)
            except OSError as error:
                raise _unwritable(self.folder, error) from error
            self._forced, self._forced_segment = head, numbers[-1]
        return head

    def close(self) -> None:
        """Close the files; a later append opens them again."""
        with self._threads:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @contextmanager
    def _alone(self) -> Iterator[OpenSegment]:
        """Hold the newest segment for this thread of this process."""
        wait_s = min(STUCK_WAIT_S, self.lock_wait_s) if self._stuck else self.lock_wait_s
        if not self._threads.acquire(timeout=wait_s):
            raise locked(self.folder)
        try:
            self._leave_parent()
            try:
                self._lock.take(wait_s)
            except TimeoutError as error:
                self._stuck = True
                raise locked(self.folder) from error
            self._stuck = False
            try:
                yield self._chain.catch_up()
            finally:
                self._lock.release()
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        finally:
            self._threads.release()

    def _leave_parent(self) -> None:
        """After a fork, open our own files: a lock on the parent's would be the parent's too."""
        if self._process != os.getpid():
            self._close()
            self._process = os.getpid()

    def _close(self) -> None:
        self._chain.forget()
        self._lock.close()


def _unwritable(folder: Path, error: OSError) -> AuditError:
    return AuditError(
        f"The audit log {folder} cannot be written: {error.strerror or error}.",
        "Free space on its disk and let the service write there.",
    )


def locked(folder: Path) -> AuditError:
    """Error of a log whose lock another process, or a thread of this one, held too long."""
    return AuditError(
        f"The audit log {folder} is locked by another process.",
        f"Find the process with `fuser {folder / LOCK_FILE}`: it was stopped, or its disk hangs.",
    )
