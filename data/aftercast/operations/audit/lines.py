"""One entry as one line of bytes; its hash is over the exact bytes of the entry, so nothing is ever re-serialised.

A line reads ``{"entry":{"seq":..,"time":"..Z","event":"..","previous":"<hex>","content":{..}},"hash":"<hex>"}``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from aftercast.operations.errors import AftercastError

GENESIS: Final = b"0" * 64
"""What the first entry names as the hash before it."""

OPENING: Final = b'{"entry":'
BEFORE_HASH: Final = b',"hash":"'
CLOSING: Final = b'"}\n'
HASH_ON: Final = len(GENESIS) + len(CLOSING)
AFTER_ENTRY: Final = len(BEFORE_HASH) + HASH_ON

_ENTRY: Final = re.compile(
    rb'\{"seq":([1-9][0-9]*),"time":"[^"]{27}","event":"[a-z0-9_.-]+","previous":"([^"]{64})","content":\{'
)


class AuditError(AftercastError):
    """The audit log cannot be written, or is not whole; caught by the service as 503 and by the command line."""


def unreadable(folder: Path, error: OSError) -> AuditError:
    """Error of a log whose files cannot be read."""
    return AuditError(f"The audit log {folder} cannot be read: {error.strerror}.", "Check who may read it.")


@dataclass(frozen=True)
class Position:
    """Where the chain stands after an entry.

    Attributes
    ----------
    seq
        Number of the entry, from 1; 0 before the first.
    hash
        Its SHA-256, 64 hexadecimal digits.
    """

    seq: int
    hash: str


class Link(NamedTuple):
    """What a readable line says of its place in the chain; a tuple, since verifying makes millions.

    Attributes
    ----------
    seq, previous
        Number of the entry, and the hash it names as the one before it.
    stored, computed
        Hash the line carries, and hash its entry has; they differ when the line was altered.
    """

    seq: int
    previous: bytes
    stored: bytes
    computed: bytes


def make_line(seq: int, event: bytes, previous: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Line of an entry made now, and its hash."""
    time = datetime.now(UTC).isoformat(timespec="microseconds").removesuffix("+00:00").encode()
    entry = b'{"seq":%d,"time":"%bZ","event":"%b","previous":"%b","content":%b}' % (
        seq,
        time,
        event,
        previous,
        content,
    )
    digest = hash_of(entry)
    return b"%b%b%b%b%b" % (OPENING, entry, BEFORE_HASH, digest, CLOSING), digest


def read_link(line: bytes) -> Link | None:
    """Place of a line in the chain, its newline included; None where it is not a line of the log."""
    entry = line[len(OPENING) : -AFTER_ENTRY]
    match = _ENTRY.match(entry)
    framed = line[: len(OPENING)] == OPENING and line[-AFTER_ENTRY:-HASH_ON] == BEFORE_HASH and line[-3:] == CLOSING
    if match is None or not framed:
        return None
    return Link(int(match[1]), match[2], line[-HASH_ON:-3], hash_of(entry))


def read_entry(line: bytes) -> dict[str, Any] | None:
    """Entry of a line with its ``hash``; None where it cannot be read."""
    try:
        parsed = orjson.loads(line)
        return {**parsed["entry"], "hash": parsed["hash"]}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def hash_of(entry: bytes) -> bytes:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(entry).hexdigest().encode()


def content_bytes(content: Mapping[str, Any] | bytes) -> bytes:
    """JSON object of a content, on one line; raises AuditError where it is none."""
    try:
        text = content if isinstance(content, bytes) else orjson.dumps(dict(content))
    except TypeError as error:
        raise AuditError("The content of an audit entry is not JSON.", "Give it texts, numbers and lists.") from error
    if not (text.startswith(b"{") and text.endswith(b"}")) or b"\n" in text:
        raise AuditError("The content of an audit entry is not a JSON object on one line.", "Serialise a mapping.")
    return text
