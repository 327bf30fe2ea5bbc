"""The flow ``aftercast-drain``."""

from __future__ import annotations

from typing import Any

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.pipelines.drain import run_drain


def run(workspace: Workspace, *, progress: Progress | None = None) -> dict[str, Any]:
    """Store what waits in the inbox."""
    return run_drain(workspace, progress)
