"""The open files of a log: the lock all processes share, and the newest segment, which is only ever appended to."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

from aftercast.operations.audit.segments import segment_numbers, segment_path, whole_bytes

LOCK_FILE: Final = "lock"
MODE: Final = 0o640
"""The group may read, for instance an auditor; nobody but the service may write."""


class SharedLock:
    """Exclusive right to append, held by one process of the machine at a time.

    Where someone removes the file, two processes could hold two locks: each taking looks whether it is still there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = str(folder / LOCK_FILE)
        self._descriptor = -1

    def take(self) -> None:
        """Wait for the lock."""
        while True:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if os.fstat(self._descriptor).st_nlink > 0:
                return
            self.close()

    def release(self) -> None:
        """Let others append."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, which releases the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class OpenSegment:
    """The newest segment, open for appending; every method needs the lock.

    Attributes
    ----------
    number
        Number of the segment.
    size
        Bytes it had when this process last looked or wrote.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self._path, self._next = (str(segment_path(folder, each)) for each in (number, number + 1))
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        seen = os.fstat(self._descriptor)
        self.size, self._inode = seen.st_size, (seen.st_dev, seen.st_ino)

    def is_current(self) -> bool:
        """Whether nobody has appended, begun another segment, or removed, moved or replaced this one since."""
        try:
            seen = os.stat(self._path)  # noqa: PTH116  # a call for each answer; a Path takes twice as long
        except FileNotFoundError:
            return False
        same = seen.st_size == self.size and (seen.st_dev, seen.st_ino) == self._inode
        return same and not os.path.exists(self._next)  # noqa: PTH110

    def write(self, line: bytes) -> None:
        """Append in one write.

        Raises
        ------
        OSError
            If it took only a part: the disk is full. The part stands there until :meth:`cut`.
        """
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes were taken")
        self.size += written

    def cut(self) -> None:
        """Take back what a failed write left."""
        os.ftruncate(self._descriptor, self.size)

    def torn(self) -> bytes:
        """Bytes after the last newline."""
        whole = whole_bytes(self._descriptor, self.size)
        return os.pread(self._descriptor, self.size - whole, whole)

    def drop_torn(self, count: int) -> None:
        """Shorten the segment by its torn bytes."""
        self.size -= count
        self.cut()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def force(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def steady_sizes(folder: Path) -> list[tuple[int, int]]:
    """Number and bytes of each segment, at an instant when nobody appends; ascending."""
    try:
        lock = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # a copy of the log, or one that its reader may not lock: nobody appends, or a torn end is told
        return _sizes(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        return _sizes(folder)
    finally:
        os.close(lock)


def _sizes(folder: Path) -> list[tuple[int, int]]:
    return [(number, segment_path(folder, number).stat().st_size) for number in segment_numbers(folder)]
