"""The interface is described: an example of every body and answer, every refusal, and no change unnoticed.

`UPDATE_GOLDEN=1 pytest tests/serving/test_openapi.py` writes the golden document anew; read the difference before it is
committed: a caller depends on every line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from aftercast.data.workspace import Workspace
from aftercast.serving.app import create_app

GOLDEN = Path(__file__).parent / "golden" / "openapi.json"
PROBES = {"/health", "/ready"}
ALWAYS = {"401", "403", "429", "503"}
WITH_BODY = {"400", "408", "409", "413", "422"}


@pytest.fixture(scope="module")
def document(bare_client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = bare_client.get("/openapi.json").json()
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            yield path, operation


def test_paths_and_schemas_are_the_golden_ones(document: dict[str, Any]) -> None:
    shown = {"paths": document["paths"], "schemas": document["components"]["schemas"]}
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(json.dumps(shown, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert shown == json.loads(GOLDEN.read_text(encoding="utf-8")), "see above how to renew it, if it was meant"


def _models(workspace: Workspace) -> Iterator[type[BaseModel]]:
    for found in iter_route_contexts(create_app(workspace).routes):
        route = found.original_route
        if isinstance(route, APIRoute) and route.response_model is not None:
            yield route.response_model
            if route.body_field is not None:
                yield cast(type[BaseModel], route.body_field.field_info.annotation)


def test_every_body_and_answer_has_an_example_that_fits_it(bare_workspace: Workspace, document: dict[str, Any]) -> None:
    models = list(_models(bare_workspace))
    operations = [operation for _, operation in _operations(document)]
    assert len(models) == len(operations) - 1 + sum("requestBody" in each for each in operations)  # /metrics has none
    for model in models:
        extra = cast(dict[str, Any], model.model_config["json_schema_extra"])
        for example in extra["examples"]:
            shown = model.model_validate(example).model_dump(mode="json", exclude_unset=True)
            assert shown.keys() >= example.keys()


def test_every_operation_says_what_it_is_and_has_one_answer_with_an_example(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for path, operation in _operations(document):
        assert (bool(operation["summary"]), len(operation["tags"])) == (True, 1), path
        [(_, answer)] = [(code, each) for code, each in operation["responses"].items() if code.startswith("2")]
        for kind, content in answer["content"].items():
            schema = content["schema"]
            if schema.get("format") == "binary":
                continue
            named = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
            binary = schema.get("format") == "binary"
            assert binary or "example" in content or named.get("examples"), (path, kind)


def test_every_route_with_a_key_names_its_refusals_as_problems(document: dict[str, Any]) -> None:
    for path, operation in _operations(document):
        refusals = {code: answer for code, answer in operation["responses"].items() if code >= "400"}
        if path not in PROBES:
            needed = ALWAYS | (WITH_BODY if "requestBody" in operation else set())
            assert needed <= set(refusals), path
            assert all(list(answer["content"]) == ["application/problem+json"] for answer in refusals.values()), path


def test_every_route_with_a_key_says_so(document: dict[str, Any]) -> None:
    closed = {path for path, operation in _operations(document) if operation.get("security")}
    assert closed == set(document["paths"]) - PROBES


def test_every_path_is_in_the_guide(document: dict[str, Any]) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
    assert [path for path in document["paths"] if f"{path}`" not in guide] == []
