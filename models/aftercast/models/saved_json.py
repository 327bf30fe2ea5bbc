"""Files of something fitted: its dataclass as JSON with a format number, and its LightGBM boosters as text beside it.

Pydantic writes and reads the dataclass by its annotations; nothing is executed by reading, and no pickle is written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import lightgbm as lgb
from pydantic import PlainSerializer, PlainValidator, SerializationInfo, TypeAdapter, ValidationInfo

from aftercast.operations.errors import ModelMismatchError, SettingsError

T = TypeVar("T")
UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, lgb.basic.LightGBMError, SettingsError)


@dataclass
class _Texts:
    """Text files of the boosters of one model, numbered as they are met."""

    folder: Path
    written: int = 0

    def write(self, booster: lgb.Booster) -> str:
        name = f"booster-{self.written}.txt"
        (self.folder / name).write_text(booster.model_to_string(), encoding="utf-8")
        self.written += 1
        return name

    def read(self, name: str) -> lgb.Booster:
        if Path(name).name != name:
            raise ValueError("a booster's file lies outside of the model's folder")
        return lgb.Booster(model_str=(self.folder / name).read_text(encoding="utf-8"))


def _write(booster: lgb.Booster, info: SerializationInfo) -> str:
    texts: _Texts = info.context  # type: ignore[assignment]
    return texts.write(booster)


def _read(name: Any, info: ValidationInfo) -> lgb.Booster:
    texts: _Texts = info.context  # type: ignore[assignment]
    return texts.read(name)


Booster: TypeAlias = Annotated[lgb.Booster, PlainValidator(_read), PlainSerializer(_write)]
"""A booster in a dataclass that is saved: a text file of its own, named in the JSON."""


def save_json(value: Any, path: Path, format_number: int) -> None:
    """Write a dataclass with its format, numbers to the last digit; the folder is made where it does not exist.

    Raises
    ------
    ValueError
        If a number is not finite; in arrays a missing one (NaN) is null.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = TypeAdapter(type(value)).dump_python(value, mode="json", context=_Texts(path.parent))
    path.write_text(json.dumps({"format": format_number, **content}, indent=1, allow_nan=False), encoding="utf-8")


def load_json(kind: type[T], path: Path, format_number: int, *, what: str, mend: str = "Train again.") -> T:
    """Read what :func:`save_json` wrote, equal to the bit.

    Parameters
    ----------
    what, mend
        What it is, in the words of the errors ("hazard model"), and what to do instead.

    Raises
    ------
    ModelMismatchError
        If there is no such file, it has another format, or it or a booster beside it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != format_number:
            raise ModelMismatchError(f"The {what} has format {content['format']}, this is {format_number}.", mend)
        return TypeAdapter(kind).validate_python(content, context=_Texts(path.parent))
    except UNREADABLE as error:
        raise ModelMismatchError(f"There is no readable {what} at {path.parent.name}/{path.name}.", mend) from error
