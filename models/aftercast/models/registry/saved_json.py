"""The JSON file of something fitted: its format first, and one error for all that is not readable as it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import lightgbm as lgb

from aftercast.operations.errors import ModelMismatchError, SettingsError

T = TypeVar("T")
UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, lgb.basic.LightGBMError, SettingsError)


def save_json(path: Path, format_number: int, content: dict[str, Any]) -> None:
    """Write content with its format, numbers to the last bit; the folder is made where it does not exist.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": format_number, **content}, indent=1, allow_nan=False)
    path.write_text(text, encoding="utf-8")


def load_json(path: Path, format_number: int, build: Callable[[dict[str, Any]], T], *, what: str, mend: str) -> T:
    """Build what :func:`save_json` wrote.

    Parameters
    ----------
    build
        Makes it of the content; what it reads beside the file may be missing or damaged, too.
    what, mend
        What it is, in the words of the errors ("hazard model"), and what to do instead ("Train again.").

    Raises
    ------
    ModelMismatchError
        If there is no such file, it has another format, or it cannot be built.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != format_number:
            raise ModelMismatchError(f"The {what} has format {content['format']}, this is {format_number}.", mend)
        return build(content)
    except UNREADABLE as error:
        raise ModelMismatchError(f"There is no readable {what} at {path.parent.name}/{path.name}.", mend) from error
