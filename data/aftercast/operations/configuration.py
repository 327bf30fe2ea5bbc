"""Configuration models that refuse unknown keys and name the nearest valid one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from aftercast.operations.errors import SettingsError
from aftercast.operations.spelling import nearest


class StrictModel(BaseModel):
    """Immutable configuration whose unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ModelT = TypeVar("ModelT", bound=StrictModel)


def load_toml(path: Path, model: type[ModelT]) -> ModelT:
    """Read a TOML file into a strict model.

    Raises
    ------
    SettingsError
        If the file is missing, is not TOML, or holds unknown keys or wrong values; every finding is listed.
    """
    return validate(model, read_toml(path), where=path.name)


def validate(model: type[ModelT], raw: Mapping[str, Any], where: str) -> ModelT:
    """Build a model of a mapping; raises SettingsError that lists every finding, under where it came from."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise wrong_settings(error, model, where, {}) from error


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file; raises SettingsError if it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path} does not exist.", "Run `aftercast init DIR` first.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Correct the line it names.") from error


def wrong_settings(
    error: ValidationError, model: type[BaseModel], file: str, said_by: Mapping[tuple[str | int, ...], str]
) -> SettingsError:
    """Error that lists every finding under the file or the variable it came from.

    Parameters
    ----------
    said_by
        Location of a key -> the environment variable that gave it; every other key is the file's.
    """
    found: dict[str, list[str]] = {}
    for item in error.errors():
        location = tuple(item["loc"])
        ends = (location[:end] for end in range(len(location), 0, -1))
        origin = next((said_by[end] for end in ends if end in said_by), file)
        found.setdefault(origin, []).append(_finding(model, dict(item)))
    listed = "; ".join(f"{origin}: {'; '.join(findings)}" for origin, findings in found.items())
    unset = "" if list(found) == [file] else ", or unset the variables"
    return SettingsError(f"{listed}.", f"Correct the named keys{unset}.")


def _finding(model: type[BaseModel], item: Mapping[str, Any]) -> str:
    location = tuple(item["loc"])
    name = ".".join(str(part) for part in location)
    if item["type"] != "extra_forbidden":
        return f"{name}: {str(item['msg']).removeprefix('Value error, ')}"
    valid = _fields_at(model, location[:-1])
    near = nearest(str(location[-1]), valid)
    return f"unknown key '{name}'" + (f" (valid: {', '.join(valid)})" if near is None else f", did you mean '{near}'?")


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the nested model at a location; list positions and mapping keys are stepped over."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _nested(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _nested(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _nested(inner)) is not None), None)
