"""``aftercast promote``: make a registered version the champion."""

from __future__ import annotations

from typing import Annotated

import typer

from aftercast.cli.common import KindArgument, WorkspaceOption, opened, say

PANEL = "Models"


def promote(
    kind: KindArgument,
    version: Annotated[str, typer.Argument(help="Number of the version, as `aftercast mlflow` shows it.")],
    *,
    even_if_worse: Annotated[
        bool, typer.Option("--even-if-worse", help="Also a version that failed its gate.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Make a registered version the champion: go back to an earlier version, or choose another.

    The service uses it within seconds, and the audit log records it. A version with a leaking feature is refused.

    Example: aftercast promote failure 2 -w fleet
    """
    from aftercast.models.registry.versions import promote_by_hand

    found = promote_by_hand(opened(workspace), kind, version, even_if_worse=even_if_worse)
    say(f"Version {found.version} of aftercast-{kind}, run {found.run_id}. {found.decision}")
    say("Score with it: aftercast score")
