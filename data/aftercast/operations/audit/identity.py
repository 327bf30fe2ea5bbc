"""Which chain a log is: its file ``chain`` holds an id, by which a database tells the anchors of several logs apart.

The file is made before the first segment, so a log that has segments and no such file was begun before there were ids.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
from pathlib import Path
from typing import Final

from aftercast.operations.audit.files import MODE, force
from aftercast.operations.audit.lines import AuditError
from aftercast.operations.audit.segments import segment_numbers

CHAIN_FILE: Final = "chain"
WITHOUT_ID: Final = ""
"""Chain of a log that was begun before there were ids."""
_BYTES: Final = 16
_ID: Final = re.compile(rb"[0-9a-f]{32}\n?")
_HINT: Final = "Bring the file back from a backup; `aftercast audit verify` says which chain was anchored here."


def begin_chain(folder: Path) -> None:
    """Give a log its id, unless it has one; of several that try, one succeeds and the others find what it made.

    The file appears whole, and is on the disk before there is an entry.
    """
    path = folder / CHAIN_FILE
    if os.path.lexists(path):
        return
    temporary = folder / f"{CHAIN_FILE}-{secrets.token_hex(_BYTES)}.new"
    try:
        _write(temporary, f"{secrets.token_hex(_BYTES)}\n".encode())
        os.link(temporary, path)
    except FileExistsError:  # another process was first
        return
    finally:
        temporary.unlink(missing_ok=True)
    force(folder)


def read_chain(folder: Path) -> str | None:
    """Id of the chain of a log: :data:`WITHOUT_ID` where it was begun before there were ids, None where none was begun.

    Raises
    ------
    AuditError
        If the file cannot be read, or holds no id.
    """
    begun = bool(segment_numbers(folder))  # before the file is looked for: it is there before the first segment
    path = folder / CHAIN_FILE
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return WITHOUT_ID if begun else None
    except OSError as error:
        raise AuditError(f"The id of the audit log, {path}, cannot be read: {error.strerror}.", _HINT) from error
    if _ID.fullmatch(content) is None:
        raise AuditError(f"The id of the audit log, {path}, is none: it has to be 32 hexadecimal digits.", _HINT)
    return content.strip().decode()


def place_of(folder: Path) -> str:
    """Where a log is, among all machines: host name and absolute folder, also where that is a link to another."""
    return f"{platform.node()}:{folder.parent.resolve() / folder.name}"


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
    try:
        written = os.write(descriptor, content)
        if written != len(content):
            raise OSError(errno.ENOSPC, f"only {written} of {len(content)} bytes were taken")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
