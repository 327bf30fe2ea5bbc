"""What the files of a deployment are read as, shared by the tests that look at them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deploy.container import ROOT

from aftercast.operations.settings import ENVIRONMENT_PREFIX, Settings, load_settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEFAULTS = Settings.model_construct()


def settings_of(environment: Mapping[str, str], folder: Path) -> Settings:
    """Settings of an empty file with the variables in place; raises SettingsError for one that is not known."""
    empty = folder / "aftercast.toml"
    empty.write_text("")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        return load_settings(empty)
