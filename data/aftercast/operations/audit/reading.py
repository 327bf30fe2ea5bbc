"""Reading entries back: the newest ones, and all that concern one device or customer.

Reading trusts the lines; whether they are what was written is for verifying to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from aftercast.operations.audit.lines import read_entry, unreadable
from aftercast.operations.audit.segments import lines_backwards, lines_forwards
from aftercast.operations.errors import SettingsError

OF_OTHERS: Final = frozenset({"answers", "ids", "rows"})
"""Parts of an entry that tell of the whole batch."""


def newest_entries(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """Newest entries, the newest first, each with its ``hash``; damaged lines are left out.

    Raises
    ------
    AuditError
        If the files cannot be read.
    """
    try:
        lines = lines_backwards(folder)
        while count > 0 and (line := next(lines, None)) is not None:
            entry = read_entry(line)
            if entry is not None:
                count -= 1
                yield entry
    except OSError as error:
        raise unreadable(folder, error) from error


def export(folder: Path, *, device_id: str | None = None, customer_id: str | None = None) -> Iterator[dict[str, Any]]:
    """Entries that concern a device or a customer, oldest first, each with its ``hash``.

    Of a batch only the part of that record is given: its answers of predictions, its id of what was sent in. A customer
    has the answers about churn, a device those about failures. What was sent in holds ids of both; the id decides.

    Raises
    ------
    SettingsError
        If not exactly one of the two ids is given.
    AuditError
        If the files cannot be read.
    """
    if (device_id is None) == (customer_id is None):
        raise SettingsError("An export is of one device or of one customer.", "Name one: --device ID or --customer ID.")
    if device_id is not None:
        return _concerning(folder, device_id, "failure")
    return _concerning(folder, str(customer_id), "churn")


def _concerning(folder: Path, wanted: str, kind: str) -> Iterator[dict[str, Any]]:
    spellings = {orjson.dumps(wanted), json.dumps(wanted).encode()}  # who serialised it may have escaped other letters
    try:
        for line in lines_forwards(folder):
            if any(spelling in line for spelling in spellings):
                entry = read_entry(line)
                content = None if entry is None else _part(entry["content"], wanted, kind)
                if entry is not None and content is not None:
                    yield {**entry, "content": content}
    except OSError as error:
        raise unreadable(folder, error) from error


def _part(content: Mapping[str, Any], wanted: str, kind: str) -> dict[str, Any] | None:
    """What of a content concerns the id; None where nothing does."""
    own = {name: value for name, value in content.items() if name not in OF_OTHERS}
    if wanted in content.get("ids", ()):
        return {**own, "ids": [wanted]}
    answers = [answer for answer in content.get("answers", ()) if answer["id"] == wanted]
    if answers and content.get("kind") == kind:
        return {**own, "answers": answers}
    return None
