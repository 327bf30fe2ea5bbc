"""``aftercast mlflow``: the MLflow page of a workspace."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from aftercast.cli.common import WorkspaceOption, note, opened, say

PANEL = "Models"


def mlflow(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 5000,
    show: Annotated[bool, typer.Option("--print", help="Print the command instead of running it.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Open the MLflow page: runs, metrics, plots, models.

    Example: aftercast mlflow --port 5000 -w fleet
    """
    place = opened(workspace)
    if place.mlflow_address.startswith("http"):
        say(f"This workspace tracks on a server: {place.mlflow_address}")
        return
    from aftercast.models.registry.relocation import follow_move

    follow_move(place)
    words = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", place.mlflow_address]
    words += ["--default-artifact-root", place.mlflow_artifacts, "--host", "127.0.0.1", "--port", str(port)]
    if show:
        say(" ".join(words))
        return
    note(f"MLflow on http://127.0.0.1:{port}; end it with Ctrl-C.")
    raise typer.Exit(subprocess.run(words, check=False).returncode)  # noqa: S603  # our own interpreter and arguments
