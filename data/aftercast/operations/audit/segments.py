"""The files of the log, ``000001.jsonl`` and on, read from either end without holding more than a line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

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


def whole_bytes(descriptor: int, size: int) -> int:
    """How many of the first size bytes end with a newline: the rest was torn."""
    end = size
    while end > 0:
        start = max(0, end - CHUNK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def lines_forwards(folder: Path) -> Iterator[bytes]:
    """Every line, oldest first, each with its newline; a torn last one without."""
    for number in segment_numbers(folder):
        with segment_path(folder, number).open("rb") as file:
            yield from file


def lines_backwards(folder: Path) -> Iterator[bytes]:
    """Every whole line, newest first, each with its newline; read in pieces from the end."""
    for number in reversed(segment_numbers(folder)):
        descriptor = os.open(segment_path(folder, number), os.O_RDONLY)
        try:
            yield from _backwards(descriptor, whole_bytes(descriptor, os.fstat(descriptor).st_size))
        finally:
            os.close(descriptor)


def _backwards(descriptor: int, end: int) -> Iterator[bytes]:
    pieces: list[bytes] = []
    while end > 0:
        start = max(0, end - CHUNK)
        *lines, last = os.pread(descriptor, end - start, start).split(b"\n")
        if lines:
            pieces.append(last)
            yield from _ended(b"".join(reversed(pieces)))
            for line in reversed(lines[1:]):
                yield line + b"\n"
            pieces = [lines[0] + b"\n"]
        else:
            pieces.append(last)
        end = start
    yield from _ended(b"".join(reversed(pieces)))


def _ended(line: bytes) -> Iterator[bytes]:
    """Line, unless it is only what follows the last newline."""
    if line:
        yield line
