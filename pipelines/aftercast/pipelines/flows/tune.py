"""The flow ``aftercast-tune``."""

from __future__ import annotations

from typing import Any

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.operations.clocks import parse_time
from aftercast.pipelines.tune import run_tune


def run(
    workspace: Workspace, *, kind: str, until: str | None = None, progress: Progress | None = None, **asked: Any
) -> dict[str, Any]:
    """Search settings; ``asked`` holds folds, trials, minutes and seed."""
    moment = None if until is None else parse_time(until)
    return run_tune(workspace, kind, until=moment, progress=progress, **asked).to_dict()
