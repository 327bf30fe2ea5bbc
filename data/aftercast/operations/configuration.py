"""Configuration models that refuse unknown keys and name the nearest valid one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from aftercast.operations.errors import SettingsError


class StrictModel(BaseModel):
    """Immutable configuration whose unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ModelT = TypeVar("ModelT", bound=StrictModel)


def load_toml(
    path: Path,
    model: type[ModelT],
    overrides: Mapping[str, Any] | None = None,
    said_by: Mapping[tuple[str, ...], str] | None = None,
) -> ModelT:
    """Read a TOML file into a strict model.

    Parameters
    ----------
    overrides
        Nested keys that go before those of the file.
    said_by
        Location of a key -> the variable that gave it; what is not there was given by the file.

    Raises
    ------
    SettingsError
        If the file is missing, is not TOML, or holds unknown keys or wrong values; every finding is listed.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path} does not exist.", "Run `aftercast init DIR` first.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.", "Mend the line it names.") from error
    return validate(model, merge(raw, overrides or {}), where=path.name, said_by=said_by or {})


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return base with the nested keys of over put in place."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def validate(
    model: type[ModelT], raw: Mapping[str, Any], where: str, said_by: Mapping[tuple[str, ...], str] | None = None
) -> ModelT:
    """Build the model, turning what pydantic found into one SettingsError that lists every finding by its origin."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        found: dict[str, list[str]] = {}
        for item in error.errors():
            found.setdefault(_origin(item["loc"], said_by or {}) or where, []).append(_finding(model, dict(item)))
        told = "; ".join(f"{origin}: {'; '.join(findings)}" for origin, findings in found.items())
        unset = "" if list(found) == [where] else ", or unset the variables"
        raise SettingsError(f"{told}.", f"Correct the named keys{unset}.") from error


def _origin(location: tuple[Any, ...], said_by: Mapping[tuple[str, ...], str]) -> str | None:
    """Return the variable that gave what lies at a location, None where the file did."""
    return next((said_by[location[:end]] for end in range(len(location), 0, -1) if location[:end] in said_by), None)


def _finding(model: type[BaseModel], item: Mapping[str, Any]) -> str:
    location = tuple(item["loc"])
    name = ".".join(str(part) for part in location)
    if item["type"] != "extra_forbidden":
        return f"{name}: {str(item['msg']).removeprefix('Value error, ')}"
    valid = _fields_at(model, location[:-1])
    near = difflib.get_close_matches(str(location[-1]), valid, n=1, cutoff=0.4)
    return f"unknown key '{name}'" + (f", did you mean '{near[0]}'?" if near else f" (valid: {', '.join(valid)})")


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
