"""A fleet whose models are trained in a second."""

from __future__ import annotations

import pytest

from aftercast.data.fleet import FeatureSettings
from aftercast.data.workspace import Workspace, open_workspace, write_fleet


@pytest.fixture
def small(own_fleet: Workspace) -> Workspace:
    """A fleet of one component and few features, so that a model takes less than a second."""
    path, spec = own_fleet.folder / "fleet.toml", own_fleet.fleet
    lean = spec.model_copy(
        update={
            "components": spec.components[:1],
            "sensors": spec.sensors[:2],
            "rules": (),
            "horizons": ("7d",),
            "features": FeatureSettings(windows=("24h",), trend_window="24h", event_windows=("168h",)),
            "training": spec.training.model_copy(update={"minimum_failures": 3, "cutoff_every": "96h"}),
        }
    )
    write_fleet(path, lean)
    return open_workspace(own_fleet.folder)
