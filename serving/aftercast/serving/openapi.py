"""The OpenAPI document: FastAPI's, with refusals shown as what they are, problem details only."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from aftercast.serving.errors import PROBLEM_TYPE


class Application(FastAPI):
    """FastAPI whose OpenAPI document names no media type or schema that is never sent."""

    def openapi(self) -> dict[str, Any]:
        """OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _true_refusals(super().openapi())
        return self.openapi_schema


def _true_refusals(document: dict[str, Any]) -> dict[str, Any]:
    """Drop the JSON that FastAPI lists beside each problem, and its own shape of validation errors."""
    for path in document["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                if PROBLEM_TYPE in content:
                    answer["content"] = {PROBLEM_TYPE: content[PROBLEM_TYPE]}
    for name in ("HTTPValidationError", "ValidationError"):
        document.get("components", {}).get("schemas", {}).pop(name, None)
    return document
