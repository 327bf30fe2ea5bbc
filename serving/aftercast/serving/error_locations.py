"""Places in a request: named as the interface and the tables name them, never by a name that the caller invented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI, Request

from aftercast.data.contract import TABLES
from aftercast.serving.wire.problem import FieldProblem

Part = str | int
PARTS: Final = frozenset({"body", "query", "path", "header", "cookie"})
COLUMNS: Final = frozenset(column.name for table in TABLES.values() for column in table.columns)
INVENTED: Final = "*"
"""Stands for the name of a field that is not described: a sensor, an attribute, or anything at all."""
FREE: Final = "facts"
"""The field whose names are free although it is no list."""


def field_problem(request: Request, item: Mapping[str, Any]) -> FieldProblem:
    """Place and reason of one finding of pydantic."""
    location = tuple(item["loc"])
    if item["type"] == "json_invalid":
        return FieldProblem(location=f"{location[0]}", message=f"Is not JSON, see character {location[-1]}")
    if item["type"] == "extra_forbidden":
        return FieldProblem(location=_place(location[:-1], request.app), message="Holds a field that is not known here")
    return FieldProblem(location=_place(location, request.app), message=str(item["msg"]))


def called_json(request: Request) -> bool:
    """Whether the body comes under a media type that the framework reads as JSON."""
    kind, _, subtype = request.headers.get("Content-Type", "").partition(";")[0].strip().lower().partition("/")
    return kind == "application" and (subtype == "json" or subtype.endswith("+json"))


def _place(location: tuple[Part, ...], app: FastAPI) -> str:
    return ".".join(_told(location, _names(app)))


def _told(location: tuple[Part, ...], names: frozenset[str]) -> Iterator[str]:
    """Parts that may be told; the kinds of which a value could have been one are left out, they are no place."""
    before: Part = ""
    for part in location:
        if isinstance(part, int) or part in names:
            yield str(part)
        elif isinstance(before, int) or before == FREE:
            yield INVENTED
        before = part


def _names(app: FastAPI) -> frozenset[str]:
    """Names of all fields, parameters and columns that are described; found once an application."""
    if not hasattr(app.state, "described_names"):
        document = app.openapi()
        schemas = document.get("components", {}).get("schemas", {}).values()
        fields = {name for schema in schemas for name in schema.get("properties", {})}
        operations = [operation for item in document["paths"].values() for operation in item.values()]
        parameters = {each["name"] for operation in operations for each in operation.get("parameters", ())}
        app.state.described_names = PARTS | COLUMNS | fields | parameters
    found: frozenset[str] = app.state.described_names
    return found
