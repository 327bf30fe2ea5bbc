"""The lock of a log: the right to append, held by one process of the machine at a time."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Final

from filelock import lock_descriptor, unlock_descriptor

LOCK_FILE: Final = "lock"
MODE: Final = 0o640
"""The group may read, for instance an auditor; nobody but the service may write."""
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.000_05, 0.005


class SharedLock:
    """Lock on a file that stays open: filelock's own ``FileLock`` opens it anew, which costs more than an entry.

    Parameters
    ----------
    flags
        How the file is opened; ``os.O_RDONLY`` for a reader, who makes none.
    """

    def __init__(self, folder: Path, flags: int = os.O_RDWR | os.O_CREAT) -> None:
        self._path = str(folder / LOCK_FILE)
        self._flags = flags
        self._descriptor = -1

    def take(self, wait_s: float) -> None:
        """Wait for the lock.

        Raises
        ------
        TimeoutError
            If another process still holds it after so many seconds.
        """
        if self._try():
            return
        end, pause_s = time.monotonic() + wait_s, SHORTEST_PAUSE_S
        while not self._try():
            if time.monotonic() >= end:
                raise TimeoutError(errno.ETIMEDOUT, "another process holds its lock")
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def release(self) -> None:
        """Let others append."""
        unlock_descriptor(self._descriptor)

    def close(self) -> None:
        """Close the file, which releases the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _try(self) -> bool:
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, self._flags | os.O_CLOEXEC, MODE)
        if not lock_descriptor(self._descriptor, blocking=False):
            return False
        if os.fstat(self._descriptor).st_nlink > 0:
            return True
        self.close()  # somebody removed the file: a lock on it would keep out nobody who opens the new one
        return False
