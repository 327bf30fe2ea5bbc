"""A fleet whose models are trained in a second."""

from __future__ import annotations

import pytest
from tests.lean import lean

from aftercast.data.workspace import Workspace, open_workspace, write_fleet


@pytest.fixture
def small(own_fleet: Workspace) -> Workspace:
    """A fleet of one component and few features, so that a model takes less than a second."""
    write_fleet(own_fleet.folder / "fleet.toml", lean(own_fleet.fleet))
    return open_workspace(own_fleet.folder)
