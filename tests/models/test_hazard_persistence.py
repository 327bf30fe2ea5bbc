"""A model's files: those of its own folder, and no others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aftercast.models.hazard import HazardModel, HazardSettings
from aftercast.operations.clocks import DAY_US
from aftercast.operations.errors import ModelMismatchError


@pytest.mark.parametrize("leads", ["../{}", "{folder}/{}", "inner/../{}"])
def test_a_booster_outside_of_the_models_folder_is_not_read(leads: str, world: Any, tmp_path: Path) -> None:
    """It is a good booster, so that only its place can be what is refused."""
    settings = HazardSettings(fallback_rounds=2, workers=1)
    folder = tmp_path / "model"
    HazardModel.fit(world.features, world.labels, (DAY_US,), world.labels.components, settings).save(folder)
    told = json.loads((folder / "model.json").read_text())
    boosters = told["cells"][0][0]["boosters"]
    (folder / "inner").mkdir()
    (tmp_path / boosters[0]).write_bytes((folder / boosters[0]).read_bytes())
    HazardModel.load(folder)
    boosters[0] = leads.format(boosters[0], folder=tmp_path)
    (folder / "model.json").write_text(json.dumps(told))
    with pytest.raises(ModelMismatchError):
        HazardModel.load(folder)
