"""The flow ``aftercast-score``."""

from __future__ import annotations

from typing import Any

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.operations.clocks import parse_time
from aftercast.pipelines.score import run_score


def run(
    workspace: Workspace, *, cutoff: str | None = None, again: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Score a cutoff (ISO 8601 in UTC), or every cutoff missed since the last one."""
    moment = None if cutoff is None else parse_time(cutoff)
    return run_score(workspace, cutoff=moment, again=again, progress=progress)
