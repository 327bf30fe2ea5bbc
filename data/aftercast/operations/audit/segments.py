"""The files of the log, ``000001.jsonl`` and on: appended to, and read from either end a line at a time."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aftercast.operations.audit.lock import MODE

CHUNK: Final = 65_536
_NAME: Final = re.compile(r"(\d{6,})\.jsonl")


def segment_path(folder: Path, number: int) -> Path:
    """File of a segment, numbered from 1."""
    return folder / f"{number:06d}.jsonl"


def torn_path(folder: Path, seq: int) -> Path:
    """File of the bytes that stood where entry seq was written instead."""
    return folder / f"torn-{seq}.bin"


def segment_numbers(folder: Path) -> list[int]:
    """Numbers of the segments that are there, ascending; none where the folder is not."""
    if not folder.is_dir():
        return []
    names = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in names if match is not None)


def lines_forwards(folder: Path) -> Iterator[bytes]:
    """Every line, oldest first, each with its newline; a torn last one without."""
    for number in segment_numbers(folder):
        with segment_path(folder, number).open("rb") as file:
            yield from file


def lines_backwards(folder: Path) -> Iterator[bytes]:
    """Every whole line, newest first, each with its newline; read in pieces from the end."""
    for number in reversed(segment_numbers(folder)):
        with segment_path(folder, number).open("rb") as file:
            pieces = _backwards(file.fileno(), os.fstat(file.fileno()).st_size)
            next(pieces)
            yield from pieces


def _backwards(descriptor: int, end: int) -> Iterator[bytes]:
    """What follows the last newline of the first ``end`` bytes, then every line with its newline, the newest first."""
    rest, ending = b"", b""
    while end > 0:
        start = max(0, end - CHUNK)
        rest, *lines = (os.pread(descriptor, end - start, start) + rest).split(b"\n")
        for line in reversed(lines):
            yield line + ending
            ending = b"\n"
        end = start
    yield rest + ending


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
        return next(_backwards(self._descriptor, self.size))

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
