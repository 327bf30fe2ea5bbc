"""The flow ``aftercast-train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aftercast.data.workspace import Workspace
from aftercast.models.aliases import Progress
from aftercast.operations.clocks import parse_time
from aftercast.pipelines.kind_settings import given_settings
from aftercast.pipelines.train import run_train


def run(
    workspace: Workspace,
    *,
    kind: str,
    until: str | None = None,
    seed: int = 0,
    settings: str | None = None,
    pairs: Sequence[str] = (),
    again: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train, log and register a model.

    Parameters
    ----------
    until
        ISO 8601 in UTC, None for all data.
    settings, pairs
        File of settings, and texts ``name=value`` that go before it.
    again
        Whether to train even what was trained before.
    """
    chosen = given_settings(workspace, kind, None if settings is None else Path(settings), pairs)
    moment = None if until is None else parse_time(until)
    return run_train(
        workspace, kind, until=moment, seed=seed, settings=chosen, again=again, progress=progress
    ).to_dict()
