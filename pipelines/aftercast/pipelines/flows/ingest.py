"""The flow ``aftercast-ingest``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.pipelines.ingest import run_ingest


def run(workspace: Workspace, *, source: str, path: str, progress: Progress | None = None) -> dict[str, Any]:
    """Import a source; returns the report, and whether it had been imported before."""
    return run_ingest(workspace, source, Path(path), progress).to_dict()
