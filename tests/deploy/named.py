"""What the files of a deployment are read as, shared by the tests that look at them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.deploy.container import ROOT

from aftercast.operations.settings import Settings, load_settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEFAULTS = Settings()


def settings_of(environment: Mapping[str, str], folder: Path) -> Settings:
    """Settings of an empty file with the variables in place; raises SettingsError for one that is not known."""
    empty = folder / "aftercast.toml"
    empty.write_text("")
    return load_settings(empty, environment)
