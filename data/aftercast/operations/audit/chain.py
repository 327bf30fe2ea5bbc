"""The end of the chain: which entry is newest, and the open segment the next one goes to.

Everything here needs the lock. The newest entry is remembered and only read again where another process appended.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import orjson

from aftercast.operations.audit.chain_id import begin_chain
from aftercast.operations.audit.lines import GENESIS, Position, make_line, read_link
from aftercast.operations.audit.segments import OpenSegment, lines_backwards, segment_numbers, torn_path

TORN: Final = b"audit.torn"


class Chain:
    """Where the next entry goes.

    Parameters
    ----------
    segment_bytes
        A new segment begins once the newest is larger.
    """

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment: OpenSegment | None = None
        self._seq, self._hash = 0, GENESIS

    @property
    def position(self) -> Position:
        """Newest entry as last seen; seq 0 before the first."""
        return Position(self._seq, self._hash.decode())

    def catch_up(self) -> OpenSegment:
        """Newest segment, its newest entry known; what another process left torn is set aside.

        Where there is none, the log gets its id and the first one.
        """
        segment = self._segment
        if segment is not None and segment.is_current():
            return segment
        self.forget()
        numbers = segment_numbers(self._folder)
        if not numbers:
            begin_chain(self._folder)
        self._segment = segment = OpenSegment(self._folder, numbers[-1] if numbers else 1)
        try:
            self._seq, self._hash = _read_head(self._folder)
            self._move_torn(segment)
        except BaseException:  # whatever interrupts this, the next append begins it again
            self.forget()
            raise
        return self._segment

    def write(self, segment: OpenSegment, event: bytes, content: bytes) -> Position:
        """Append an entry to the newest segment or, where that is full, to the next one.

        Raises
        ------
        OSError
            If not all of it could be written; what was is taken back, or set aside as torn by the next append.
        """
        segment = self._room(segment)
        line, digest = make_line(self._seq + 1, event, self._hash, content)
        try:
            segment.write(line)
        except OSError:
            self.forget(cut=True)
            raise
        self._seq, self._hash = self._seq + 1, digest
        return self.position

    def forget(self, *, cut: bool = False) -> None:
        """Close the segment, if wanted without the bytes of a failed write; the next append looks for the newest."""
        segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            if cut:
                segment.cut()
        finally:
            segment.close()

    def _room(self, segment: OpenSegment) -> OpenSegment:
        if segment.size <= self._segment_bytes:
            return segment
        following = OpenSegment(self._folder, segment.number + 1)
        self.forget()
        self._segment = following
        return following

    def _move_torn(self, segment: OpenSegment) -> None:
        """Set aside what an interrupted write left, and say so in the chain.

        Each step may be the last before the process is killed: a file set aside whose entry is missing gets it here.
        """
        path, torn = torn_path(self._folder, self._seq + 1), segment.torn()
        if torn:
            path.write_bytes(torn)
            segment.drop_torn(len(torn))
        if path.exists():
            kept = path.read_bytes()
            told = {"bytes": len(kept), "file": path.name, "sha256": hashlib.sha256(kept).hexdigest()}
            self.write(segment, TORN, orjson.dumps(told))


def _read_head(folder: Path) -> tuple[int, bytes]:
    """Newest entry that is whole; damaged lines after it are counted, so that one hurt line stops no answer."""
    damaged = 0
    for line in lines_backwards(folder):
        link = read_link(line)
        if link is not None and link.stored == link.computed:
            return link.seq + damaged, link.stored
        damaged += 1
    return damaged, GENESIS
