"""Id of a chain, in the file ``chain`` of its log; a database keeps the anchors of several logs apart by it.

The file is made before the first segment, so a log that has segments has an id, unless somebody removed it.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
from pathlib import Path
from typing import Final

from aftercast.operations.audit.lines import AuditError
from aftercast.operations.audit.lock import MODE
from aftercast.operations.audit.segments import force, segment_numbers

CHAIN_FILE: Final = "chain"
_BYTES: Final = 16
_ID: Final = re.compile(rb"[0-9a-f]{32}\n?")
_HINT: Final = "Restore the file from a backup; `aftercast audit verify` shows which chain was anchored here."


def begin_chain(folder: Path) -> None:
    """Give a log its id, unless it has one; of several that try, one succeeds and the others find what it made.

    The file appears whole, and is on the disk before there is an entry.
    """
    path = folder / CHAIN_FILE
    if os.path.lexists(path):
        return
    temporary = folder / f"{CHAIN_FILE}-{secrets.token_hex(_BYTES)}.new"
    try:
        temporary.touch(MODE, exist_ok=False)
        temporary.write_text(f"{secrets.token_hex(_BYTES)}\n", encoding="ascii")
        force(temporary)
        os.link(temporary, path)
    except FileExistsError:  # another process was first
        return
    finally:
        temporary.unlink(missing_ok=True)
    force(folder)


def read_chain(folder: Path) -> str | None:
    """Id of the chain of a log, 32 hexadecimal digits; None where no log was begun.

    Raises
    ------
    AuditError
        If the log has entries and its file is missing, unreadable or holds something else.
    """
    begun = bool(segment_numbers(folder))  # before the file is looked for: it is there before the first segment
    path = folder / CHAIN_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        if not begun and not path.exists():
            return None
        raise AuditError(f"The id of the audit log, {path}, cannot be read: {error.strerror}.", _HINT) from error
    if _ID.fullmatch(content) is None:
        raise AuditError(f"The id of the audit log, {path}, is not 32 hexadecimal digits.", _HINT)
    return content.strip().decode()


def place_of(folder: Path) -> str:
    """Host name and absolute folder of a log; where the folder is a link, its own path and not the target's."""
    return f"{platform.node()}:{folder.parent.resolve() / folder.name}"
