"""The pages about tables and the fleet spec say what the code takes, all of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from aftercast.data.contract import TABLES
from aftercast.data.fleet import (
    AllFilesSettings,
    Component,
    FaultCode,
    FileSettings,
    FleetSpec,
    Rule,
    Sensor,
    TableSettings,
)
from aftercast.data.tables_page import tables_page

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """Return the example of the page about ``fleet.toml``."""
    (block,) = re.findall(r"```toml\n(.*?)```", (DOCS / "fleet.md").read_text(encoding="utf-8"), re.DOTALL)
    return tomllib.loads(block)


def test_the_page_of_tables_is_that_of_the_contract() -> None:
    page = (DOCS / "tables.md").read_text(encoding="utf-8")
    assert page == tables_page(), "write it with: python -m aftercast.data.tables_page > docs/tables.md"


def test_every_column_says_what_it_means() -> None:
    assert [column.name for table in TABLES.values() for column in table.columns if not column.about] == []


def test_the_example_of_a_fleet_is_one_and_names_every_key(example: dict[str, Any]) -> None:
    spec = FleetSpec.model_validate(example)
    assert set(example) == set(FleetSpec.model_fields)
    sections = {"features": spec.features, "training": spec.training, "churn": spec.churn, "costs": spec.costs}
    for name, section in sections.items():
        assert set(example[name]) == set(type(section).model_fields), name
    lists: dict[str, type[BaseModel]] = {
        "sensors": Sensor, "components": Component, "fault_codes": FaultCode, "rules": Rule,
    }  # fmt: skip
    for name, model in lists.items():
        assert set(example[name][0]) == set(model.model_fields), name
    assert set(example["files"]) == set(AllFilesSettings.model_fields)
    shown = {key for table in example["tables"].values() for key in table} | set(FileSettings.model_fields)
    assert shown == set(TableSettings.model_fields)


def test_the_example_of_a_fleet_shows_the_defaults(example: dict[str, Any]) -> None:
    of_this_fleet = {"name", "sensors", "components", "fault_codes", "rules", "files", "tables"}
    shown = FleetSpec.model_validate({"name": "x", **{k: v for k, v in example.items() if k not in of_this_fleet}})
    assert shown == FleetSpec(name="x")
