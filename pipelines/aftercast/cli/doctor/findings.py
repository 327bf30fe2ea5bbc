"""What a check finds, and the edge around each check: whatever goes wrong inside becomes a finding."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from aftercast.operations.errors import AftercastError

Level = Literal["ok", "warning", "problem"]
_USER: Final = re.compile(r"(?<=://)[^/@\s]*@")


class MissingPartError(AftercastError):
    """A part that a check needs cannot be had; caught by the edge around the check, since the part's own tells why.

    Parameters
    ----------
    part
        Name of the check that tells why.
    why
        What went wrong; None where nothing is known of it.
    """

    def __init__(self, part: str, why: Exception | None = None) -> None:
        super().__init__(f"Cannot be told: it needs what the check '{part}' looks at.", f"See '{part}'.")
        self.part = part
        self.why = why


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    found
        What was found, a sentence.
    mend
        What to do about it; empty where nothing is to be done.
    """

    level: Level
    found: str
    mend: str = ""


def guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Findings of the check of this name; an error that ends it is the last of them.

    Of an error nobody foresaw only kind and place are told: its text may hold an address with its password.
    """
    try:
        for found in check():
            yield _clean(found)
    except MissingPartError as error:
        if error.part == name and error.why is not None:
            yield _problem(error.why)
        else:
            yield Finding("warning", error.message, error.hint)
    except Exception as error:  # noqa: BLE001  # an outermost edge: one check must not end the others
        yield _problem(error)


def _problem(error: Exception) -> Finding:
    if isinstance(error, AftercastError):
        return _clean(Finding("problem", error.message, error.hint))
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
    return Finding("problem", f"The check itself failed: {where}.", "Report this line.")


def about(subject: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings that say first what they are about."""
    for found in findings:
        yield Finding(found.level, f"{subject}: {found.found}", found.mend)


def _clean(found: Finding) -> Finding:
    return Finding(found.level, _on_one_line(found.found), _on_one_line(found.mend))


def _on_one_line(text: str) -> str:
    """Text without line breaks, and without who logs in at an address."""
    return _USER.sub("***@", " ".join(text.split()))
