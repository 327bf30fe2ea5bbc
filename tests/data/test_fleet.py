"""The fleet spec refuses names that would be taken for something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from aftercast.data.fleet import load_fleet
from aftercast.operations.errors import SettingsError


@pytest.mark.parametrize("name", ["any", "all", "pooled"])
def test_a_component_named_as_reports_name_all_of_them_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(f'name = "f"\n[[components]]\nname = "pump"\n[[components]]\nname = "{name}"\n')
    with pytest.raises(SettingsError, match=f"component '{name}' has a name that reports use"):
        load_fleet(path)
